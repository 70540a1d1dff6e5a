// Draws a Code 128 symbol: bars as wide as whole dots of this screen make them, or scanners would see uneven ones.
"use strict";

const QUIET = 10;
const HEIGHT = 150;
const SHARE = 0.8;
const WIDEST_PAGE = 480;

// The widest module at which the bars take no more than 80 % of the page and ten modules stay light on either side.
function moduleWidth(count, page, dots) {
  const most = Math.min((page * SHARE) / count, page / (count + 2 * QUIET));
  return Math.max(1, Math.floor(most * dots)) / dots;
}

function drawCode(svg, modules) {
  const dots = window.devicePixelRatio || 1;
  const room = document.documentElement.clientWidth;
  const wide = moduleWidth(modules.length, Math.min(room, WIDEST_PAGE), dots);
  const across = (modules.length + 2 * QUIET) * wide;
  let path = "";
  for (let place = 0; place < modules.length; ) {
    let end = place;
    while (modules[end] === modules[place]) end += 1;
    if (modules[place] === "1") path += `M${place + QUIET} 0h${end - place}v1h${place - end}z`;
    place = end;
  }
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
  shape.setAttribute("d", path);
  shape.setAttribute("fill", "#000000");
  svg.setAttribute("viewBox", `0 0 ${modules.length + 2 * QUIET} 1`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("shape-rendering", "crispEdges");
  svg.setAttribute("width", String(across));
  svg.setAttribute("height", String(HEIGHT));
  svg.textContent = "";
  svg.appendChild(shape);
  // Also its place is a whole number of dots, from the window's own edge.
  const left = Math.round(((room - across) / 2) * dots) / dots;
  svg.style.marginLeft = "0";
  svg.style.marginLeft = `${left - svg.getBoundingClientRect().left}px`;
}
