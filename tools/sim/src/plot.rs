//! The figure of the cost per task over the number of nodes.

use std::fmt::Write as _;

use crate::bench::Cost;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const MARGIN: f64 = 56.0;

/// The numbers behind the figure.
pub(crate) fn csv(costs: &[Cost]) -> String {
    let mut text = "nodes,plan_ns_per_task,apply_ns_per_task\n".to_owned();
    for cost in costs {
        writeln!(
            text,
            "{},{:.1},{:.1}",
            cost.nodes, cost.plan_ns, cost.apply_ns
        )
        .expect("writing to a string does not fail");
    }
    text
}

/// The figure: nodes on a logarithmic axis, nanoseconds per task from zero.
pub(crate) fn svg(costs: &[Cost]) -> String {
    let highest = costs
        .iter()
        .map(|cost| cost.plan_ns + cost.apply_ns)
        .fold(1.0, f64::max)
        * 1.15;
    let (least, most) = (
        f64::from(costs.first().map_or(1, |it| it.nodes)).ln(),
        f64::from(costs.last().map_or(10, |it| it.nodes)).ln(),
    );
    let across = |nodes: u32| {
        MARGIN + (f64::from(nodes).ln() - least) / (most - least) * (WIDTH - 2.0 * MARGIN)
    };
    let up = |ns: f64| HEIGHT - MARGIN - ns / highest * (HEIGHT - 2.0 * MARGIN);
    let line = |value: fn(&Cost) -> f64| {
        let points = costs
            .iter()
            .map(|cost| format!("{:.1},{:.1}", across(cost.nodes), up(value(cost))));
        points.collect::<Vec<_>>().join(" ")
    };
    let mut marks = String::new();
    for cost in costs {
        let x = across(cost.nodes);
        write!(
            marks,
            "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - 36.0,
            cost.nodes
        )
        .expect("writing to a string does not fail");
    }
    for tenth in [0.25, 0.5, 0.75, 1.0] {
        let (value, y) = (highest * tenth, up(highest * tenth));
        write!(
            marks,
            "<line x1=\"{MARGIN}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{value:.0}</text>",
            WIDTH - MARGIN,
            MARGIN - 6.0,
            y + 4.0,
        )
        .expect("writing to a string does not fail");
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"11\"><rect width=\"100%\" height=\"100%\" fill=\"white\"/>{marks}\
         <polyline points=\"{}\" fill=\"none\" stroke=\"#1f6feb\" stroke-width=\"2\"/>\
         <polyline points=\"{}\" fill=\"none\" stroke=\"#d4582a\" stroke-width=\"2\"/>\
         <text x=\"{MARGIN}\" y=\"24\">nanoseconds per task, 100,000 tasks placed: \
         <tspan fill=\"#1f6feb\">plan and apply</tspan>, <tspan fill=\"#d4582a\">plan</tspan></text>\
         <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">nodes</text></svg>\n",
        line(|cost| cost.plan_ns + cost.apply_ns),
        line(|cost| cost.plan_ns),
        WIDTH / 2.0,
        HEIGHT - 14.0,
    )
}
