// Returns each piece of text whose contrast with what it lies on is below 4.5:1, with both colours. The page
// lays no text over images, and its grounds are opaque.
const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
const luminance = (colour) => {
  const [red, green, blue] = channels(colour).map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const groundOf = (element) => {
  const colour = getComputedStyle(element).backgroundColor;
  return channels(colour)[3] === 0 ? groundOf(element.parentElement) : colour;
};
const contrast = (one, other) => {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
};
const found = [];
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const element = texts.currentNode.parentElement;
  const text = texts.currentNode.textContent.trim();
  if (!text || !element.checkVisibility()) continue;
  const { color } = getComputedStyle(element);
  if (contrast(color, groundOf(element)) < 4.5) found.push([text, color, groundOf(element)]);
}
// What the chart writes and draws: text at 4.5:1, lines and columns at 3:1.
const style = getComputedStyle(document.getElementById("canvas"));
const surface = groundOf(document.getElementById("canvas"));
for (const [name, least] of [["muted", 4.5], ["ink", 4.5], ["average", 3], ["coin", 3], ["reading", 3]]) {
  const colour = style.getPropertyValue(`--${name}`);
  if (contrast(colour, surface) < least) found.push([name, colour, surface]);
}
return found;
