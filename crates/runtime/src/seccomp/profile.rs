//! Profiles in Docker's format, and their way into byte code. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::ProfileError;
use super::assembler::{
    Assembler, Field, Instruction, JUMP_AT_LEAST, JUMP_EQUAL, JUMP_GREATER, Place, bytes,
};
use super::table::{AUDIT_X86, AUDIT_X86_64, Architecture, X32_BIT, numbers};
use crate::capability::Capabilities;

/// A profile, as far as it matters here.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Profile {
    pub(super) default_action: String,
    pub(super) default_errno_ret: Option<u32>,
    /// The kinds of programs; none means all.
    pub(super) architectures: Option<Vec<String>>,
    pub(super) arch_map: Option<Vec<ArchitectureMap>>,
    pub(super) syscalls: Vec<Rule>,
}

/// Kinds of programs that go with another.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ArchitectureMap {
    pub(super) architecture: String,
    pub(super) sub_architectures: Option<Vec<String>>,
}

/// What happens to some system calls.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Rule {
    /// The old form: one name.
    pub(super) name: String,
    pub(super) names: Vec<String>,
    pub(super) action: String,
    pub(super) errno_ret: Option<u32>,
    pub(super) args: Option<Vec<Argument>>,
    pub(super) includes: Option<Condition>,
    pub(super) excludes: Option<Condition>,
}

/// What an argument must be.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Argument {
    pub(super) index: u8,
    pub(super) value: u64,
    pub(super) value_two: u64,
    pub(super) op: String,
}

/// Where a rule holds.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Condition {
    pub(super) caps: Option<Vec<String>>,
    pub(super) arches: Option<Vec<String>>,
    pub(super) min_kernel: Option<String>,
}

/// Kills the process: what a program of an unknown kind gets.
const KILL_PROCESS: u32 = 0x8000_0000;
const ERRNO: u32 = 0x0005_0000;
const NO_SUCH_CALL: u32 = 38;
const NOT_PERMITTED: u32 = 1;

/// The kernel takes no longer program.
const LONGEST_PROGRAM: usize = 4096;

/// The rules that one system call meets.
#[derive(Debug, Default)]
struct Verdicts<'a> {
    /// With conditions, in order: all of the arguments must be so.
    conditional: Vec<(Vec<&'a Argument>, u32)>,
    always: Option<u32>,
}

/// The byte code of a profile for a process with these capabilities. `kernel` is its version, 5.15 being 5015.
pub(super) fn compile(
    profile: &Profile,
    capabilities: Capabilities,
    kernel: u32,
) -> Result<Vec<u8>, ProfileError> {
    Ok(bytes(&program(profile, capabilities, kernel)?))
}

fn program(
    profile: &Profile,
    capabilities: Capabilities,
    kernel: u32,
) -> Result<Vec<Instruction>, ProfileError> {
    let default = verdict(&profile.default_action, profile.default_errno_ret)?;
    let mut assembler = Assembler::default();
    let mut places = Vec::new();
    let kill = assembler.verdict(KILL_PROCESS);
    let mut entries: BTreeMap<&str, Place> = BTreeMap::new();
    for architecture in Architecture::ALL {
        let entry = if applies_to(profile, architecture) {
            let rules = rules_of(profile, architecture, capabilities, kernel, default)?;
            architecture_code(&mut assembler, &mut places, &rules, default)
        } else {
            kill
        };
        entries.insert(architecture.name(), entry);
    }
    let entry = |architecture: Architecture| entries[architecture.name()];
    // In the order in which they come: the last put is the first run.
    let old = {
        assembler.go_on_at(entry(Architecture::X86));
        assembler.load(Field::Number)
    };
    let wide = {
        let wide = entry(Architecture::X86_64);
        assembler.branch(JUMP_AT_LEAST, X32_BIT, entry(Architecture::X32), wide);
        assembler.load(Field::Number)
    };
    let other = assembler.branch(JUMP_EQUAL, AUDIT_X86, old, kill);
    assembler.branch(JUMP_EQUAL, AUDIT_X86_64, wide, other);
    assembler.load(Field::Architecture);
    let program = assembler.finish();
    if program.len() > LONGEST_PROGRAM {
        return Err(ProfileError::Unsupported(
            "it has too many rules".to_owned(),
        ));
    }
    Ok(program)
}

fn applies_to(profile: &Profile, architecture: Architecture) -> bool {
    let name = architecture.name();
    if let Some(names) = profile
        .architectures
        .as_ref()
        .filter(|names| !names.is_empty())
    {
        return names.iter().any(|known| known == name);
    }
    match profile.arch_map.as_ref().filter(|map| !map.is_empty()) {
        Some(map) => map
            .iter()
            .filter(|entry| entry.architecture == Architecture::X86_64.name())
            .any(|entry| {
                entry.architecture == name
                    || entry
                        .sub_architectures
                        .iter()
                        .flatten()
                        .any(|sub| sub == name)
            }),
        None => true,
    }
}

fn rules_of<'a>(
    profile: &'a Profile,
    architecture: Architecture,
    capabilities: Capabilities,
    kernel: u32,
    default: u32,
) -> Result<BTreeMap<u32, Verdicts<'a>>, ProfileError> {
    let numbers = numbers(architecture);
    let mut rules: BTreeMap<u32, Verdicts<'a>> = BTreeMap::new();
    for rule in profile
        .syscalls
        .iter()
        .filter(|rule| holds(rule, capabilities, kernel))
    {
        let action = verdict(&rule.action, rule.errno_ret)?;
        if action == default {
            continue;
        }
        let arguments: &[Argument] = rule.args.as_deref().unwrap_or_default();
        for argument in arguments {
            check_argument(argument)?;
        }
        for name in rule
            .names
            .iter()
            .chain(Some(&rule.name).filter(|name| !name.is_empty()))
        {
            // One that this kind of program doesn't have, or that is newer than the table.
            let Some(&number) = numbers.get(name.as_str()) else {
                continue;
            };
            let verdicts = rules.entry(number).or_default();
            let is_repeated = |one: &Argument| {
                arguments
                    .iter()
                    .filter(|other| other.index == one.index)
                    .count()
                    > 1
            };
            if arguments.is_empty() {
                verdicts.always = Some(action);
            } else if arguments.iter().any(is_repeated) {
                // Conditions on the same argument are alternatives, as runc reads them.
                verdicts
                    .conditional
                    .extend(arguments.iter().map(|argument| (vec![argument], action)));
            } else {
                verdicts
                    .conditional
                    .push((arguments.iter().collect(), action));
            }
        }
    }
    Ok(rules)
}

fn check_argument(argument: &Argument) -> Result<(), ProfileError> {
    const KNOWN: [&str; 7] = [
        "SCMP_CMP_NE",
        "SCMP_CMP_LT",
        "SCMP_CMP_LE",
        "SCMP_CMP_EQ",
        "SCMP_CMP_GE",
        "SCMP_CMP_GT",
        "SCMP_CMP_MASKED_EQ",
    ];
    if argument.index > 5 {
        return Err(ProfileError::Unsupported(format!(
            "there is no argument {}",
            argument.index
        )));
    }
    if !KNOWN.contains(&argument.op.as_str()) {
        return Err(ProfileError::Unsupported(format!(
            "unknown comparison {:?}",
            argument.op
        )));
    }
    Ok(())
}

fn holds(rule: &Rule, capabilities: Capabilities, kernel: u32) -> bool {
    let has = |name: &String| Capabilities::named(name).is_ok_and(|one| capabilities.contains(one));
    let is_here = |names: &Vec<String>| names.iter().any(|name| name == "amd64");
    if let Some(includes) = &rule.includes {
        let caps = includes.caps.iter().flatten().all(has);
        let arches = includes
            .arches
            .as_ref()
            .filter(|names| !names.is_empty())
            .is_none_or(is_here);
        let new_enough = includes
            .min_kernel
            .as_deref()
            .is_none_or(|version| kernel >= kernel_number(version));
        if !(caps && arches && new_enough) {
            return false;
        }
    }
    rule.excludes.as_ref().is_none_or(|excludes| {
        let caps = excludes.caps.iter().flatten().any(has);
        let arches = excludes.arches.as_ref().is_some_and(is_here);
        let new_enough = excludes
            .min_kernel
            .as_deref()
            .is_some_and(|version| kernel >= kernel_number(version));
        !(caps || arches || new_enough)
    })
}

fn kernel_number(version: &str) -> u32 {
    let mut numbers = version
        .split('.')
        .map(|number| number.parse::<u32>().unwrap_or(0));
    numbers.next().unwrap_or(0) * 1000 + numbers.next().unwrap_or(0)
}

/// What the kernel does, as its number.
fn verdict(action: &str, errno: Option<u32>) -> Result<u32, ProfileError> {
    let number = errno.unwrap_or(NOT_PERMITTED) & 0xffff;
    Ok(match action {
        "SCMP_ACT_ALLOW" => 0x7fff_0000,
        "SCMP_ACT_ERRNO" => ERRNO | number,
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => 0,
        "SCMP_ACT_KILL_PROCESS" => KILL_PROCESS,
        "SCMP_ACT_TRAP" => 0x0003_0000,
        "SCMP_ACT_TRACE" => 0x7ff0_0000 | number,
        "SCMP_ACT_LOG" => 0x7ffc_0000,
        other => {
            return Err(ProfileError::Unsupported(format!(
                "unknown action {other:?}"
            )));
        }
    })
}

/// The code for one kind of program, entered with the number of the system call loaded.
fn architecture_code(
    assembler: &mut Assembler,
    places: &mut Vec<(u32, Place)>,
    rules: &BTreeMap<u32, Verdicts<'_>>,
    default: u32,
) -> Place {
    // What is newer than the profile is "not there" instead of "forbidden", so that programs try something older.
    let newer = if default & 0xffff_0000 == ERRNO {
        ERRNO | NO_SUCH_CALL
    } else {
        default
    };
    // Verdicts are put anew for each kind of program, to be near.
    places.clear();
    let mut ranges: Vec<(u32, Place)> = Vec::new();
    let default_place = place_of(assembler, places, default);
    for (&number, verdicts) in rules {
        let place = verdicts_code(assembler, places, verdicts, default);
        let next_free = ranges.last().map_or(0, |(start, _)| *start);
        debug_assert!(
            ranges.is_empty() || number >= next_free,
            "rules come in order"
        );
        // The range after the one before was opened as the default; this closes it.
        if ranges.last().is_none_or(|(start, _)| *start < number) {
            if ranges.is_empty() {
                ranges.push((0, default_place));
            }
            ranges.push((number, place));
        } else if let Some(last) = ranges.last_mut() {
            last.1 = place;
        }
        ranges.push((number + 1, default_place));
    }
    let newer = place_of(assembler, places, newer);
    match ranges.last_mut() {
        Some(last) => last.1 = newer,
        None => ranges.push((0, default_place)),
    }
    ranges.dedup_by(|next, before| next.1 == before.1);
    tree(assembler, &ranges)
}

/// Finds the range that the loaded number is in, by halves.
fn tree(assembler: &mut Assembler, ranges: &[(u32, Place)]) -> Place {
    if let [(_, only)] = ranges {
        return *only;
    }
    let (low, high) = ranges.split_at(ranges.len() / 2);
    let high_place = tree(assembler, high);
    let low_place = tree(assembler, low);
    assembler.branch(JUMP_AT_LEAST, high[0].0, high_place, low_place)
}

fn place_of(assembler: &mut Assembler, places: &mut Vec<(u32, Place)>, verdict: u32) -> Place {
    if let Some((_, place)) = places.iter().find(|(known, _)| *known == verdict) {
        return *place;
    }
    let place = assembler.verdict(verdict);
    places.push((verdict, place));
    place
}

fn verdicts_code(
    assembler: &mut Assembler,
    places: &mut Vec<(u32, Place)>,
    verdicts: &Verdicts<'_>,
    default: u32,
) -> Place {
    let mut next = place_of(assembler, places, verdicts.always.unwrap_or(default));
    for (arguments, action) in verdicts.conditional.iter().rev() {
        let mut met = place_of(assembler, places, *action);
        for argument in arguments.iter().rev() {
            met = argument_code(assembler, argument, met, next);
        }
        next = met;
    }
    next
}

fn argument_code(assembler: &mut Assembler, argument: &Argument, yes: Place, no: Place) -> Place {
    let halves = |value: u64| {
        let half = |bits: u64| u32::try_from(bits & 0xffff_ffff).unwrap_or(0);
        (half(value >> 32), half(value))
    };
    let (high, low) = halves(argument.value);
    let (high_field, low_field) = (Field::High(argument.index), Field::Low(argument.index));
    // Greater (or equal) is decided by the upper halves, and by the lower ones where those are the same.
    let mut ordered = |lower_comparison: u16, yes: Place, no: Place| {
        assembler.branch(lower_comparison, low, yes, no);
        let same = assembler.load(low_field);
        let not_greater = assembler.branch(JUMP_EQUAL, high, same, no);
        assembler.branch(JUMP_GREATER, high, yes, not_greater);
        assembler.load(high_field)
    };
    match argument.op.as_str() {
        "SCMP_CMP_GT" => ordered(JUMP_GREATER, yes, no),
        "SCMP_CMP_GE" => ordered(JUMP_AT_LEAST, yes, no),
        "SCMP_CMP_LT" => ordered(JUMP_AT_LEAST, no, yes),
        "SCMP_CMP_LE" => ordered(JUMP_GREATER, no, yes),
        "SCMP_CMP_MASKED_EQ" => {
            let (wanted_high, wanted_low) = halves(argument.value_two);
            assembler.branch(JUMP_EQUAL, wanted_low, yes, no);
            assembler.keep_bits(low);
            let same = assembler.load(low_field);
            assembler.branch(JUMP_EQUAL, wanted_high, same, no);
            assembler.keep_bits(high);
            assembler.load(high_field)
        }
        name => {
            let (yes, no) = if name == "SCMP_CMP_NE" {
                (no, yes)
            } else {
                (yes, no)
            };
            assembler.branch(JUMP_EQUAL, low, yes, no);
            let same = assembler.load(low_field);
            assembler.branch(JUMP_EQUAL, high, same, no);
            assembler.load(high_field)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::super::assembler::machine::run;
    use super::super::defaults;
    use super::super::table::{AUDIT_X86, AUDIT_X86_64, Architecture, numbers};
    use super::{Profile, program};
    use crate::capability::Capabilities;

    const ALLOW: u32 = 0x7fff_0000;
    const EPERM: u32 = 0x0005_0001;
    const ENOSYS: u32 = 0x0005_0026;
    const KILL: u32 = 0x8000_0000;

    #[track_caller]
    fn check(
        capabilities: Capabilities,
        architecture: Architecture,
        name: &str,
        argument: u64,
        expect: u32,
    ) {
        let program = program(&defaults::profile(), capabilities, u32::MAX).unwrap();
        let number = numbers(architecture)[name];
        let audit = if architecture == Architecture::X86 {
            AUDIT_X86
        } else {
            AUDIT_X86_64
        };
        let verdict = run(&program, number, audit, [argument, 0, 0, 0, 0, 0]);
        assert_eq!(
            format!("{verdict:#x}"),
            format!("{expect:#x}"),
            "{name} {architecture:?}"
        );
    }

    #[test]
    fn the_default_profile_does_as_dockers() {
        let usual = Capabilities::docker_default();
        let with = |name| usual.union(Capabilities::named(name).unwrap());
        for architecture in Architecture::ALL {
            check(usual, architecture, "read", 0, ALLOW);
            check(usual, architecture, "clone", 0x11, ALLOW);
            check(usual, architecture, "clone", 0x1000_0000, EPERM);
            check(usual, architecture, "clone3", 0, ENOSYS);
            check(usual, architecture, "mount", 0, EPERM);
            check(usual, architecture, "keyctl", 0, EPERM);
            check(usual, architecture, "chroot", 0, ALLOW);
            check(usual, architecture, "personality", 0, ALLOW);
            check(usual, architecture, "personality", 8, ALLOW);
            check(usual, architecture, "personality", 1, EPERM);
            check(usual, architecture, "personality", 0xffff_ffff, ALLOW);
            check(usual, architecture, "unshare", 0, EPERM);
            check(with("SYS_ADMIN"), architecture, "clone", 0x1000_0000, ALLOW);
            check(with("SYS_ADMIN"), architecture, "clone3", 0, ALLOW);
            check(with("SYS_ADMIN"), architecture, "mount", 0, ALLOW);
            check(with("SYS_TIME"), architecture, "settimeofday", 0, ALLOW);
            check(with("SYSLOG"), architecture, "syslog", 0, ALLOW);
            check(
                usual.without(Capabilities::named("SYS_CHROOT").unwrap()),
                architecture,
                "chroot",
                0,
                EPERM,
            );
        }
        check(usual, Architecture::X86_64, "socket", 2, ALLOW);
        check(usual, Architecture::X86_64, "socket", 40, EPERM);
        check(usual, Architecture::X86_64, "socket", 44, ALLOW);
        check(usual, Architecture::X86, "socketcall", 1, ALLOW);
        check(usual, Architecture::X86_64, "arch_prctl", 0, ALLOW);
    }

    #[test]
    fn unknown_calls_are_not_there_and_unknown_programs_die() {
        let program = program(
            &defaults::profile(),
            Capabilities::docker_default(),
            u32::MAX,
        )
        .unwrap();
        assert!(program.len() < 1500, "{}", program.len());
        for number in [500, 100_000, 0x4000_0000 + 700, u32::MAX] {
            assert_eq!(run(&program, number, AUDIT_X86_64, [0; 6]), ENOSYS);
        }
        assert_eq!(run(&program, 600, AUDIT_X86, [0; 6]), ENOSYS);
        assert_eq!(run(&program, 0, 0xc000_00b7, [0; 6]), KILL);
    }

    fn parsed(json: &str) -> Profile {
        serde_json::from_str(json).unwrap()
    }

    type Comparison = (&'static str, fn(u64, u64) -> bool);

    #[test]
    fn comparisons_are_of_64_bits() {
        let value = 0x1_0000_0005_u64;
        let around = [
            0,
            5,
            0xffff_ffff,
            value - 1,
            value,
            value + 1,
            0x2_0000_0000,
            u64::MAX,
        ];
        let comparisons: [Comparison; 6] = [
            ("NE", |a, b| a != b),
            ("LT", |a, b| a < b),
            ("LE", |a, b| a <= b),
            ("EQ", |a, b| a == b),
            ("GE", |a, b| a >= b),
            ("GT", |a, b| a > b),
        ];
        for (name, holds) in comparisons {
            let json = format!(
                r#"{{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{{"names":["read"],"action":"SCMP_ACT_ALLOW",
                "args":[{{"index":2,"value":{value},"op":"SCMP_CMP_{name}"}}]}}]}}"#
            );
            let program = program(&parsed(&json), Capabilities::NONE, 6000).unwrap();
            for argument in around {
                let verdict = run(&program, 0, AUDIT_X86_64, [0, 0, argument, 0, 0, 0]);
                assert_eq!(
                    verdict == ALLOW,
                    holds(argument, value),
                    "{name} {argument:#x}"
                );
            }
        }
    }

    #[test]
    fn profiles_of_users() {
        let json = r#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64"],"syscalls":[
            {"name":"mkdir","action":"SCMP_ACT_ERRNO","errnoRet":22,"args":[]},
            {"names":["chmod","nosuchcall"],"action":"SCMP_ACT_KILL_PROCESS","args":null,
             "includes":{"minKernel":"99.0"}},
            {"names":["chown"],"action":"SCMP_ACT_TRAP","excludes":{"caps":["CAP_CHOWN"]}}]}"#;
        let program = program(&parsed(json), Capabilities::NONE, 6018).unwrap();
        let verdict =
            |name, audit| run(&program, numbers(Architecture::X86_64)[name], audit, [0; 6]);
        assert_eq!(verdict("mkdir", AUDIT_X86_64), 0x0005_0016);
        assert_eq!(verdict("chmod", AUDIT_X86_64), ALLOW);
        assert_eq!(verdict("chown", AUDIT_X86_64), 0x0003_0000);
        assert_eq!(verdict("read", AUDIT_X86), KILL);
        assert!(super::super::profile("{", Capabilities::NONE).is_err());
        assert!(
            super::super::profile(r#"{"defaultAction":"SCMP_ACT_WHAT"}"#, Capabilities::NONE)
                .is_err()
        );
    }

    proptest! {
        // Each case compiles the whole profile.
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]
        #[test]
        fn every_number_meets_its_own_rule(number in 0_u32..520, bits in any::<u64>()) {
            let capabilities = Capabilities::from_bits(bits);
            let profile = defaults::profile();
            let program = program(&profile, capabilities, u32::MAX).unwrap();
            let names = numbers(Architecture::X86_64);
            let verdict = run(&program, number, AUDIT_X86_64, [0; 6]);
            let name = names.iter().find(|(_, known)| **known == number).map(|(name, _)| *name);
            let is_listed = |name: &str| profile.syscalls.iter().any(|rule| {
                super::holds(rule, capabilities, u32::MAX)
                    && rule.action == "SCMP_ACT_ALLOW"
                    && rule.names.iter().any(|listed| listed == name)
            });
            if verdict == ALLOW {
                assert!(name.is_some_and(is_listed), "{number} {name:?}");
            } else if let Some(name) = name {
                let with_arguments = ["socket", "personality", "clone"].contains(&name);
                assert!(!is_listed(name) || with_arguments, "{name}");
            }
        }
    }
}
