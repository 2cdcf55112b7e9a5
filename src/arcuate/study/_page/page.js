"use strict";
// Draws a parameter study from the JSON in the page. No library, no request; state lives in one object.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { fields, metrics, rows } = data;
  const MANY = 60; // levels above which a field is offered by thirds, and shown in bins
  const BINS = 12;
  const PAGE = 25;
  // viridis at 33 places: even steps look even, and every kind of color vision orders them
  const VIRIDIS = ("440154 470d60 48186a 482374 472d7b 453781 424086 3e4989 3b528b 375b8d 33638d 2f6b8e 2c728e " +
    "297a8e 26828e 23898e 21918c 1f988b 1fa088 22a785 28ae80 32b67a 3fbc73 4ec36b 5ec962 70cf57 84d44b 98d83e " +
    "addc30 c2df23 d8e219 ece51b fde725").split(" ").map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));
  const state = { x: 0, y: 1, metric: 0, ranges: fields.map(() => null), same: false, cell: null,
    sort: "index", down: false, page: 0, cursor: null };
  const seedField = fields.findIndex((field) => field.name === "seed");

  // ---------------------------------------------------------------- small helpers
  const byId = (id) => document.getElementById(id);
  function make(tag, attributes = {}, text = null) {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== null) node.textContent = text;
    return node;
  }
  function draw(parent, tag, attributes = {}, text = null) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== null) node.textContent = text;
    parent.appendChild(node);
    return node;
  }
  function number(value, digits = 4) {
    if (value === null) return "\u2013";
    const size = Math.abs(value);
    if (Number.isInteger(value) && size < 1e7) return String(value).replace("-", "\u2212");
    const text = size !== 0 && (size < 1e-3 || size >= 1e6)
      ? value.toExponential(digits - 1).replace(/\.?0+e/, "e").replace("e+", "e")
      : String(Number(value.toPrecision(digits)));
    return text.replaceAll("-", "\u2212");
  }
  function color(share) {
    const at = Math.min(Math.max(share, 0), 1) * (VIRIDIS.length - 1);
    const low = Math.min(Math.floor(at), VIRIDIS.length - 2);
    const mixed = VIRIDIS[low].map((part, k) => Math.round(part + (VIRIDIS[low + 1][k] - part) * (at - low)));
    return `rgb(${mixed.join(",")})`;
  }
  const middleCut = (text) => (text.length > 16 ? `${text.slice(0, 8)}\u2026${text.slice(-7)}` : text);
  const cut = (text, length) => (text.length > length ? text.slice(0, length - 1) + "\u2026" : text);
  const axisName = (field) => cut(field.label, 40) + (field.unit ? ` (${field.unit})` : "");
  const tickName = (field, code) => (field.numbers && field.levels[code].length > 7 && !Number.isInteger(field.numbers[code])
    ? number(field.numbers[code]) : middleCut(field.levels[code]));
  const levelName = (field, code) => field.levels[code] + (field.unit ? ` ${field.unit}` : "");
  const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
  function statistics(values) {
    const found = values.filter((value) => value !== null);
    if (!found.length) return { n: 0, all: values.length, mean: null, sd: null, low: null, high: null };
    const mean = found.reduce((sum, value) => sum + value, 0) / found.length;
    const square = found.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    let low = found[0], high = found[0];
    for (const value of found) { if (value < low) low = value; if (value > high) high = value; }
    return { n: found.length, all: values.length, mean, low, high,
      sd: found.length > 1 ? Math.sqrt(square / (found.length - 1)) : null };
  }
  function quantile(sorted, share) {
    const at = share * (sorted.length - 1), low = Math.floor(at);
    return low + 1 < sorted.length ? sorted[low] + (sorted[low + 1] - sorted[low]) * (at - low) : sorted[low];
  }
  function ticks(low, high, wanted) {
    if (!(high > low)) return [low];
    const raw = (high - low) / wanted, power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((k) => k * power).find((size) => size >= raw * 0.75);
    const found = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) found.push(k * step);
    return found;
  }
  function logTicks(low, high) {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
      for (const k of [1, 2, 5]) { const at = k * 10 ** power; if (at >= low * 0.999 && at <= high * 1.001) found.push(at); }
    }
    return found.length > 7 ? found.filter((at) => /^1(e|0*$|$)/.test(String(at)) || /^0\.0*1$/.test(String(at))) : found;
  }
  // A place on an axis: by its number where every level is one, else by its order.
  function scale(field, from, to) {
    const numbers = field.numbers;
    const count = field.levels.length;
    const between = (share) => from + (to - from) * share;
    if (!numbers || count < 2) {
      return { place: (code) => between((code + 0.5) / count), ticks: spread(count, Math.abs(to - from) / 16)
        .map((code) => [between((code + 0.5) / count), middleCut(field.levels[code])]) };
    }
    const low = numbers[0], high = numbers[count - 1];
    const even = (value) => (value - low) / (high - low), bent = (value) => Math.log(value / low) / Math.log(high / low);
    const median = numbers[Math.floor(count / 2)]; // logarithmic where that spreads the levels more evenly
    const log = low > 0 && high / low >= 20 && Math.abs(bent(median) - 0.5) < Math.abs(even(median) - 0.5);
    const bend = log ? bent : even;
    const pad = (share) => between(0.04 + 0.92 * share);
    const margin = 0.04 * (high - low), wanted = Math.abs(to - from) > 450 ? 9 : 5;
    const marks = log ? logTicks(low, high) : count <= 6 ? numbers : ticks(low - margin, high + margin, wanted);
    return { log, value: (value) => pad(bend(value)), place: (code) => pad(bend(numbers[code])),
      ticks: marks.map((value) => [pad(bend(value)), number(value)]) };
  }
  function spread(count, room) {
    const step = Math.max(1, Math.ceil(count / Math.max(1, Math.floor(room))));
    return Array.from({ length: Math.ceil(count / step) }, (_, k) => k * step);
  }

  // ---------------------------------------------------------------- which points
  const onMap = () => (fields.length > 1 ? [state.x, state.y] : []);
  function chosenRows(except = []) {
    const active = fields.map((field, k) => [field.codes, state.ranges[k], k])
      .filter(([, range, k]) => range && !except.includes(k) && !onMap().includes(k));
    const found = [];
    for (let row = 0; row < rows; row++) {
      if (active.every(([codes, [low, high]]) => codes[row] >= low && codes[row] < high)) found.push(row);
    }
    return found;
  }
  function fixedText(except = []) {
    const parts = fields.map((field, k) => (state.ranges[k] && !except.includes(k) && !onMap().includes(k)
      ? `${field.label} = ${rangeName(field, state.ranges[k])}` : "")).filter(Boolean);
    return parts.length ? `; only ${parts.join(", ")}` : "";
  }
  const rangeName = (field, [low, high]) => (high - low === 1 ? levelName(field, low)
    : `${field.levels[low]} to ${levelName(field, high - 1)}`);

  // ---------------------------------------------------------------- controls
  function options(select, entries, chosen) {
    select.replaceChildren(...entries.map(([value, text]) => make("option", { value }, text)));
    select.value = String(chosen);
  }
  function controls() {
    options(byId("metric"), metrics.map((metric, k) => [k, metric.name]), state.metric);
    byId("metric").addEventListener("change", (event) => { state.metric = Number(event.target.value); render(); });
    for (const axis of ["x", "y"]) {
      const other = axis === "x" ? "y" : "x";
      options(byId(axis), fields.map((field, k) => [k, field.label]), state[axis]);
      byId(axis).closest("label").hidden = byId("same").closest("label").hidden = fields.length < 2;
      byId(axis).addEventListener("change", (event) => {
        const value = Number(event.target.value);
        if (value === state[other]) { state[other] = state[axis]; byId(other).value = String(state[axis]); }
        state[axis] = value;
        state.cell = state.cursor = null;
        render();
      });
    }
    fields.forEach((field, k) => {
      const label = make("label", { title: field.name, "data-field": k }, field.label);
      const select = label.appendChild(make("select", { id: `fix-${k}` }));
      const count = field.levels.length;
      const entries = count > MANY
        ? ["lowest", "middle", "highest"].map((word, part) => {
          const range = [Math.floor(count * part / 3), Math.floor(count * (part + 1) / 3)];
          return [range.join(), `${word} third: ${rangeName(field, range)}`];
        })
        : field.levels.map((_, code) => [[code, code + 1].join(), levelName(field, code)]);
      options(select, [["", k === seedField ? "all seeds" : "all values"], ...entries], "");
      select.addEventListener("change", () => {
        state.ranges[k] = select.value ? select.value.split(",").map(Number) : null;
        state.cell = null;
        render();
      });
      byId("fixed").before(label);
    });
    byId("same").addEventListener("change", (event) => { state.same = event.target.checked; render(); });
  }
  function showControls() {
    for (const label of document.querySelectorAll(".controls [data-field]")) {
      const k = Number(label.dataset.field);
      label.hidden = onMap().includes(k) || fields[k].levels.length < 2;
    }
  }

  // ---------------------------------------------------------------- the map
  let cells = [];
  function gather() {
    const values = metrics[state.metric].values, nx = fields[state.x].levels.length;
    const found = new Map();
    for (const row of chosenRows()) {
      const key = fields[state.y].codes[row] * nx + fields[state.x].codes[row];
      if (!found.has(key)) found.set(key, []);
      found.get(key).push(row);
    }
    return [...found].sort((a, b) => a[0] - b[0]).map(([key, members]) => ({ x: key % nx, y: Math.floor(key / nx), rows: members,
      ...statistics(members.map((row) => values[row])) }));
  }
  function limits() {
    const values = state.same ? metrics[state.metric].values : cells.map((cell) => cell.mean);
    const { low, high } = statistics(values);
    return [low, high];
  }
  function cellText(cell) {
    const x = fields[state.x], y = fields[state.y], metric = metrics[state.metric];
    const place = `${x.label} = ${levelName(x, cell.x)}, ${y.label} = ${levelName(y, cell.y)}`;
    const count = cell.n === cell.all ? plural(cell.n, "point") : `${cell.n} of ${plural(cell.all, "point")}`;
    if (!cell.n) return `${place}: ${metric.name} has no value (${plural(cell.all, "point")}, ${failedText(cell)})`;
    const rest = cell.n > 1 ? `, mean of ${count}, SD ${number(cell.sd)}, from ${number(cell.low)} to ${number(cell.high)}` : `, ${count}`;
    return `${place}: ${metric.name} = ${number(cell.mean)}${rest}`;
  }
  const failedText = (cell) => {
    const failed = cell.rows.filter((row) => data.failed[row]).length;
    return failed ? `${failed} failed` : "value missing";
  };
  function drawMap() {
    byId("map-part").hidden = fields.length < 2 || !metrics.length || !rows;
    if (byId("map-part").hidden) return;
    cells = gather();
    const x = fields[state.x], y = fields[state.y];
    const places = new Set(x.codes.map((code, row) => code + x.levels.length * y.codes[row]));
    const grid = places.size > 0.34 * x.levels.length * y.levels.length;
    const [low, high] = limits();
    const share = (value) => (high > low ? (value - low) / (high - low) : 0.5);
    const box = byId("map");
    box.replaceChildren();
    const title = `${metrics[state.metric].name} over ${x.label} and ${y.label}`;
    const names = grid ? y.levels.map((_, code) => tickName(y, code)) : scale(y, 1, 0).ticks.map(([, text]) => cut(text, 16));
    const left = 34 + 7 * Math.max(1, ...names.map((text) => text.length));
    const shape = { left, top: 12, name: 52, right: 1150 - 150, bottom: 0 };
    const wide = (shape.right - shape.left) / x.levels.length;
    const cell = grid ? [Math.min(wide, 130), Math.min(Math.max(480 / y.levels.length, 2), 52)] : null;
    if (grid) { shape.right = left + cell[0] * x.levels.length; shape.bottom = 12 + cell[1] * y.levels.length; } else shape.bottom = 500;
    const svg = draw(box, "svg", { role: "application", tabindex: 0, id: "map-svg",
      "aria-label": `${grid ? "Heat map" : "Scatter plot"} of ${title}. Arrow keys move from one place to the next, Enter lists its points.`,
      "aria-describedby": "readout" });
    svg.style.maxWidth = `${shape.right + 150}px`;
    svg.dataset.kind = grid ? "heat" : "scatter";
    hatch(svg);
    if (grid) heat(svg, shape, cell, share); else scatter(svg, shape, share);
    draw(svg, "text", { class: "name", x: (shape.left + shape.right) / 2, y: shape.bottom + shape.name, "text-anchor": "middle" }, axisName(x));
    draw(svg, "text", { class: "name", transform: `translate(14 ${(shape.top + shape.bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, axisName(y));
    svg.setAttribute("viewBox", `0 0 ${shape.right + 150} ${Math.max(shape.bottom + shape.name + 12, 220)}`);
    colorBar(svg, shape.right + 28, [low, high]);
    noValue(svg, shape.right + 28, grid);
    draw(svg, "g", { id: "marks" });
    mark();
    follow(svg);
    const others = fields.filter((_, k) => !onMap().includes(k) && !(state.ranges[k] && state.ranges[k][1] - state.ranges[k][0] === 1)
      && fields[k].levels.length > 1).map((field) => field.label);
    byId("map-caption").textContent = `${grid ? "Heat map" : "Scatter plot"}: ${title}` +
      `${others.length ? `, mean over ${others.join(", ")}` : ""}${fixedText()}. ` +
      (grid ? "Hatched: no value. Empty: not in the study, or not run." : "Cross: no value.");
  }
  function hatch(svg) {
    const pattern = draw(draw(svg, "defs"), "pattern", { id: "hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse" });
    draw(pattern, "rect", { width: 6, height: 6, fill: "#f3f4f6" });
    draw(pattern, "path", { d: "M-1,1 l2,-2 M0,6 l6,-6 M5,7 l2,-2", stroke: "#8c959f" });
  }
  function heat(svg, shape, [wide, tall], share) {
    const x = fields[state.x], y = fields[state.y];
    const group = draw(svg, "g", { "shape-rendering": "crispEdges" });
    const inside = wide >= 42 && tall >= 18;
    cells.forEach((cell, k) => {
      cell.box = [shape.left + cell.x * wide, shape.bottom - (cell.y + 1) * tall, wide, tall];
      const [left, top] = cell.box;
      draw(group, "rect", { x: left, y: top, width: wide, height: tall, "data-cell": k, "data-value": cell.mean === null ? "" : cell.mean,
        fill: cell.mean === null ? "url(#hatch)" : color(share(cell.mean)) });
      if (inside && cell.mean !== null) {
        const text = draw(svg, "text", { class: "inside", x: left + wide / 2, y: top + tall / 2 + 4, "text-anchor": "middle" }, number(cell.mean, 3));
        text.style.fill = share(cell.mean) < 0.6 ? "#fff" : "#1b1f24";
      }
    });
    draw(svg, "rect", { class: "axis", x: shape.left, y: shape.top, width: wide * x.levels.length, height: tall * y.levels.length });
    for (const code of spread(y.levels.length, tall * y.levels.length / 15)) {
      draw(svg, "text", { x: shape.left - 6, y: shape.bottom - (code + 0.5) * tall + 4, "text-anchor": "end" }, tickName(y, code));
    }
    const longest = 14 + 6.5 * Math.max(...x.levels.map((_, code) => tickName(x, code).length));
    const slanted = !x.numbers && longest > wide; // categories cannot be left out as numbers can
    if (slanted) shape.name = 84;
    for (const code of spread(x.levels.length, wide * x.levels.length / (slanted ? 16 : longest))) {
      const place = [shape.left + (code + 0.5) * wide, shape.bottom + 18];
      draw(svg, "text", slanted ? { transform: `translate(${place[0] + 4} ${place[1] - 6}) rotate(-30)`, "text-anchor": "end" }
        : { x: place[0], y: place[1], "text-anchor": "middle" }, tickName(x, code));
    }
  }
  function frame(svg, shape, x, y) {
    for (const [at, text] of y.ticks) {
      draw(svg, "line", { class: "grid", x1: shape.left, x2: shape.right, y1: at, y2: at });
      draw(svg, "text", { x: shape.left - 6, y: at + 4, "text-anchor": "end" }, cut(text, 16));
    }
    let free = -Infinity;
    for (const [at, text] of x.ticks) {
      const half = 3.5 * Math.min(text.length, 16) + 4;
      draw(svg, "line", { class: "axis", x1: at, x2: at, y1: shape.bottom, y2: shape.bottom + 4 });
      if (at - half < free) continue;
      free = at + half;
      draw(svg, "text", { x: at, y: shape.bottom + 18, "text-anchor": "middle" }, cut(text, 16));
    }
    draw(svg, "path", { class: "axis", d: `M${shape.left},${shape.top} V${shape.bottom} H${shape.right}` });
  }
  function scatter(svg, shape, share) {
    const x = scale(fields[state.x], shape.left, shape.right), y = scale(fields[state.y], shape.bottom, shape.top);
    frame(svg, shape, x, y);
    const radius = cells.length > 3000 ? 2.5 : cells.length > 300 ? 4 : 6;
    const group = draw(svg, "g");
    cells.forEach((cell, k) => {
      const [cx, cy] = [x.place(cell.x), y.place(cell.y)];
      cell.box = [cx - radius - 2, cy - radius - 2, 2 * radius + 4, 2 * radius + 4];
      if (cell.mean === null) {
        Object.assign(cross(group, cx, cy).dataset, { cell: k, value: "" });
      } else {
        draw(group, "circle", { cx, cy, r: radius, fill: color(share(cell.mean)), stroke: "#fff", "stroke-width": radius > 3 ? 0.8 : 0.3,
          "data-cell": k, "data-value": cell.mean });
      }
    });
  }
  function colorBar(svg, left, [low, high]) {
    const top = 30, tall = 150, steps = 60;
    draw(svg, "text", { class: "name", x: left, y: top - 12 }, cut(metrics[state.metric].name, 17));
    if (low !== null && high > low) {
      const group = draw(svg, "g", { "shape-rendering": "crispEdges", id: "colors" });
      for (let k = 0; k < steps; k++) {
        draw(group, "rect", { x: left, y: top + tall * (1 - (k + 1) / steps), width: 16, height: tall / steps + 0.5, fill: color((k + 0.5) / steps) });
      }
      for (const value of ticks(low, high, 4)) {
        const at = top + tall * (1 - (value - low) / (high - low));
        draw(svg, "line", { class: "axis", x1: left + 16, x2: left + 20, y1: at, y2: at });
        draw(svg, "text", { x: left + 24, y: at + 4 }, number(value));
      }
    } else if (low !== null) {
      draw(svg, "rect", { x: left, y: top, width: 16, height: 16, fill: color(0.5) });
      draw(svg, "text", { x: left + 24, y: top + 12 }, number(low));
    }
  }
  function noValue(svg, left, grid) {
    if (grid) draw(svg, "rect", { x: left, y: 194, width: 16, height: 14, fill: "url(#hatch)", stroke: "#8c959f" });
    else cross(svg, left + 8, 201);
    draw(svg, "text", { x: left + 24, y: 205 }, "no value");
  }
  function cross(parent, x, y) {
    return draw(parent, "path", { d: `M${x - 3},${y - 3} l6,6 m0,-6 l-6,6`, stroke: "#57606a", "stroke-width": 1.5, fill: "none" });
  }
  function mark() {
    const group = byId("marks");
    group.replaceChildren();
    const at = (place) => place && cells.find((cell) => cell.x === place.x && cell.y === place.y);
    const chosen = at(state.cell), cursor = at(state.cursor);
    const outline = (cell, name) => draw(group, "rect", { class: name, x: cell.box[0], y: cell.box[1], width: cell.box[2], height: cell.box[3] });
    if (cursor) { outline(cursor, "cursor"); outline(cursor, "cursor inner"); }
    if (chosen) outline(chosen, "chosen");
    byId("readout").textContent = cursor ? cellText(cursor) : "Point at a place for its values; choose it to list its points below.";
  }
  function move(key) {
    const from = cells.find((cell) => state.cursor && cell.x === state.cursor.x && cell.y === state.cursor.y);
    if (!from) { state.cursor = cells[0] || null; return; }
    const across = key === "ArrowLeft" || key === "ArrowRight" ? ["x", "y"] : ["y", "x"];
    const sign = key === "ArrowRight" || key === "ArrowUp" ? 1 : -1;
    let best = null, least = Infinity;
    for (const cell of cells) {
      const ahead = sign * (cell[across[0]] - from[across[0]]);
      if (ahead <= 0) continue;
      const far = byId("map-svg").dataset.kind === "heat" ? ahead + 1e4 * Math.abs(cell[across[1]] - from[across[1]]) : ahead;
      if (far < least) { least = far; best = cell; }
    }
    if (best) state.cursor = best;
  }
  function follow(svg) {
    const find = (event) => (event.target.dataset && event.target.dataset.cell !== undefined ? cells[Number(event.target.dataset.cell)] : null);
    svg.addEventListener("mousemove", (event) => { const cell = find(event); if (cell) { state.cursor = cell; mark(); } });
    svg.addEventListener("click", (event) => { const cell = find(event); if (cell) choose(cell); });
    svg.addEventListener("keydown", (event) => {
      if (event.key.startsWith("Arrow")) { move(event.key); mark(); event.preventDefault(); }
      if ((event.key === "Enter" || event.key === " ") && state.cursor) { choose(state.cursor); event.preventDefault(); }
      if (event.key === "Escape" && state.cell) choose(state.cell);
    });
  }
  function choose(cell) {
    const again = state.cell && state.cell.x === cell.x && state.cell.y === cell.y;
    state.cell = again ? null : { x: cell.x, y: cell.y };
    state.page = 0;
    mark();
    drawPoints();
  }

  // ---------------------------------------------------------------- marginals
  // Groups of neighboring levels: each level alone, or bins with as many levels each.
  function groups(field) {
    const count = field.levels.length;
    if (count <= MANY || !field.numbers) return Array.from({ length: count }, (_, code) => [code, code + 1]);
    return Array.from({ length: BINS }, (_, k) => [Math.floor(count * k / BINS), Math.floor(count * (k + 1) / BINS)]);
  }
  function marginal(k) {
    const field = fields[k], values = metrics[state.metric].values;
    const parts = groups(field);
    const part = new Int32Array(field.levels.length);
    parts.forEach(([low, high], at) => part.fill(at, low, high));
    const members = parts.map(() => []);
    for (const row of chosenRows([k])) if (values[row] !== null) members[part[field.codes[row]]].push(row);
    return parts.map((range, at) => {
      const found = members[at].map((row) => values[row]).sort((a, b) => a - b);
      const seeds = new Map();
      if (seedField >= 0 && k !== seedField) {
        for (const row of members[at]) {
          const seed = fields[seedField].codes[row];
          if (!seeds.has(seed)) seeds.set(seed, []);
          seeds.get(seed).push(values[row]);
        }
      }
      const means = [...seeds.values()].map((of) => statistics(of).mean);
      return { range, ...statistics(found), seedSd: means.length > 1 ? statistics(means).sd : null,
        quarter: found.length ? quantile(found, 0.25) : null, threeQuarters: found.length ? quantile(found, 0.75) : null };
    });
  }
  function drawMarginals() {
    const box = byId("marginals");
    box.replaceChildren();
    byId("marginal-part").hidden = !metrics.length || !fields.length || !rows;
    if (byId("marginal-part").hidden) return;
    const shown = fields.map((field, k) => k).filter((k) => fields[k].levels.length > 1);
    const found = shown.map((k) => marginal(k));
    const all = statistics(found.flat().filter((part) => part.n).flatMap((part) => [part.quarter, part.threeQuarters,
      part.mean - (part.seedSd || 0), part.mean + (part.seedSd || 0)]));
    shown.forEach((k, at) => panel(box.appendChild(make("div", { class: "panel", "data-field": k })), k, found[at], [all.low, all.high]));
    const spreadText = seedField >= 0 && fields[seedField].levels.length > 1
      ? " Upright bars: one SD of that mean over the seeds." : " The seed was not varied, so that no spread over seeds is known.";
    byId("marginal-caption").textContent = `${metrics[state.metric].name}: mean over all other fields (dots), and the middle half of the points (band).` +
      `${spreadText} The upright axis is the same in every picture${fixedText()}.`;
  }
  function panel(box, k, parts, [low, high]) {
    const field = fields[k], known = parts.filter((part) => part.n);
    const ends = known.length ? `${known.length} of ${parts.length} places have values; ${known.map((part) =>
      `${rangeName(field, part.range)}: ${number(part.mean)}`).slice(0, 12).join("; ")}` : "no values";
    const svg = draw(box, "svg", { viewBox: "0 0 400 250", role: "img", "aria-label": `${metrics[state.metric].name} by ${field.label}. ${ends}` });
    const pad = high > low ? (high - low) * 0.06 : Math.abs(low || 1) * 0.1;
    const [bottom, top] = [low - pad, high + pad];
    const up = (value) => 200 - 185 * (value - bottom) / (top - bottom);
    const marks = known.length ? ticks(bottom, top, 4).map((value) => [up(value), number(value)]) : [];
    const left = 22 + 7 * Math.max(3, ...marks.map(([, text]) => text.length));
    const across = scale(field, left, 392);
    const middle = ([from, to]) => (across.value && to - from > 1
      ? across.value((field.numbers[from] + field.numbers[to - 1]) / 2) : across.place(from));
    frame(svg, { left, right: 392, top: 12, bottom: 200 }, across, { ticks: marks });
    draw(svg, "text", { class: "name", x: (left + 392) / 2, y: 240, "text-anchor": "middle" }, axisName(field));
    const room = Math.max(2, Math.min(9, 150 / parts.length));
    let run = [];
    const runs = [];
    for (const part of parts) { if (part.n) run.push(part); else if (run.length) { runs.push(run); run = []; } }
    if (run.length) runs.push(run);
    for (const line of runs) {
      if (field.numbers && k !== seedField && line.length > 1) {
        const edge = (key) => line.map((part) => `${middle(part.range)},${up(part[key])}`);
        draw(svg, "polygon", { class: "middle", points: [...edge("quarter"), ...edge("threeQuarters").reverse()].join(" ") });
        draw(svg, "polyline", { class: "mean", points: edge("mean").join(" ") });
      } else {
        for (const part of line) draw(svg, "rect", { class: "middle", x: middle(part.range) - room, width: 2 * room,
          y: up(part.threeQuarters), height: Math.max(1, up(part.quarter) - up(part.threeQuarters)) });
      }
    }
    for (const part of known) dot(svg, middle(part.range), part, field, up);
    const range = state.ranges[k];
    if (range && !onMap().includes(k)) draw(svg, "line", { class: "fixed", x1: middle(range), x2: middle(range), y1: 12, y2: 200 });
  }
  function dot(svg, at, part, field, up) {
    if (part.seedSd) {
      const [below, above] = [up(part.mean - part.seedSd), up(part.mean + part.seedSd)];
      draw(svg, "path", { class: "seeds", d: `M${at},${below} V${above} M${at - 3},${below} h6 M${at - 3},${above} h6`, "data-sd": part.seedSd });
    }
    const node = draw(svg, "circle", { class: "dot", cx: at, cy: up(part.mean), r: 3.2, "data-mean": part.mean });
    draw(node, "title", {}, `${field.label} = ${rangeName(field, part.range)}: ${number(part.mean)}, ${plural(part.n, "point")}` +
      (part.seedSd === null ? "" : `, SD over seeds ${number(part.seedSd)}`));
  }

  // ---------------------------------------------------------------- the table of points
  const columns = [
    { id: "index", name: "point", value: (row) => data.index[row], text: (row) => String(data.index[row]), number: true },
    ...fields.map((field, k) => ({ id: `field-${k}`, name: axisName(field), title: field.name, number: Boolean(field.numbers),
      value: (row) => field.codes[row], text: (row) => field.levels[field.codes[row]] })),
    ...metrics.filter((metric) => !metric.derived).map((metric, k) => ({ id: `metric-${k}`, name: metric.name, number: true,
      value: (row) => metric.values[row], text: (row) => number(metric.values[row]) })),
    ...data.notes.map((note, k) => ({ id: `note-${k}`, name: note.name, value: (row) => note.values[row], words: note.values.some((text) => text && text.length > 24),
      text: (row) => (note.values[row] === null ? "\u2013" : note.values[row]) })),
    { id: "status", name: "status", value: (row) => data.failed[row], text: (row) => (data.failed[row] ? "failed" : "done") },
    ...(data.wall.some((value) => value !== null) ? [{ id: "wall", name: "time (s)", number: true, value: (row) => data.wall[row],
      text: (row) => number(data.wall[row], 3) }] : []),
    ...(data.recording.some((value) => value !== null) ? [{ id: "recording", name: "recording", value: (row) => data.recording[row], link: true }] : []),
  ];
  function sorted(list) {
    const { value } = columns.find((column) => column.id === state.sort);
    const sign = state.down ? -1 : 1;
    return list.map((row) => [row, value(row)]).sort(([a, u], [b, v]) => {
      if (u === null || v === null) return (u === null) - (v === null) || a - b; // missing values last, either way
      return (u < v ? -sign : u > v ? sign : 0) || a - b;
    }).map(([row]) => row);
  }
  function tableHead() {
    const head = make("tr");
    for (const column of columns) {
      const cell = head.appendChild(make("th", { scope: "col", "data-column": column.id, class: column.number ? "number" : "" }));
      const button = cell.appendChild(make("button", { type: "button", title: `Sort by ${column.title || column.name}` }, column.name));
      button.addEventListener("click", () => {
        state.down = state.sort === column.id ? !state.down : false;
        state.sort = column.id;
        state.page = 0;
        drawPoints();
      });
    }
    byId("points").querySelector("thead").replaceChildren(head);
  }
  function tableCell(column, row) {
    const cell = make("td", { class: column.number ? "number" : column.words ? "words" : "" });
    if (column.link) {
      const href = column.value(row);
      const name = href && decodeURIComponent(href.split("/").pop());
      if (href !== null) cell.appendChild(make("a", { href, title: name }, cut(name, 28)));
    } else cell.textContent = column.text(row);
    if (column.id === "status" && data.failed[row]) cell.className = "fails";
    return cell;
  }
  function drawPoints() {
    let list = chosenRows();
    if (state.cell) list = list.filter((row) => fields[state.x].codes[row] === state.cell.x && fields[state.y].codes[row] === state.cell.y);
    const pages = Math.max(1, Math.ceil(list.length / PAGE));
    state.page = Math.min(state.page, pages - 1);
    const shown = sorted(list).slice(state.page * PAGE, (state.page + 1) * PAGE);
    byId("points").querySelector("tbody").replaceChildren(...shown.map((row) => {
      const line = make("tr", { "data-row": data.index[row] });
      line.append(...columns.map((column) => tableCell(column, row)));
      return line;
    }));
    for (const cell of byId("points").querySelectorAll("th")) {
      cell.setAttribute("aria-sort", cell.dataset.column !== state.sort ? "none" : state.down ? "descending" : "ascending");
    }
    const from = state.page * PAGE;
    const where = state.cell ? ` at ${fields[state.x].label} = ${levelName(fields[state.x], state.cell.x)}, ` +
      `${fields[state.y].label} = ${levelName(fields[state.y], state.cell.y)}` : "";
    byId("count").textContent = list.length
      ? `${(from + 1).toLocaleString("en")} to ${(from + shown.length).toLocaleString("en")} of ${plural(list.length, "point")}${where}${fixedText()}`
      : `no points${where}${fixedText()}`;
    byId("all").hidden = !state.cell;
    for (const id of ["first", "back"]) byId(id).disabled = state.page === 0;
    for (const id of ["next", "last"]) byId(id).disabled = state.page >= pages - 1;
    byId("last").dataset.page = pages - 1;
  }
  function paging() {
    const turn = (id, page) => byId(id).addEventListener("click", () => { state.page = page(); drawPoints(); });
    turn("first", () => 0);
    turn("back", () => state.page - 1);
    turn("next", () => state.page + 1);
    turn("last", () => Number(byId("last").dataset.page));
    byId("all").addEventListener("click", () => { state.cell = null; if (cells.length) mark(); drawPoints(); });
  }

  // ---------------------------------------------------------------- failed points
  function more(list, parent, add) {
    let shown = 0;
    const button = make("button", { type: "button", class: "more" });
    const step = () => {
      for (const item of list.slice(shown, shown + PAGE)) button.before(add(item));
      shown = Math.min(shown + PAGE, list.length);
      button.textContent = `show more (${(list.length - shown).toLocaleString("en")} left)`;
      button.hidden = shown >= list.length;
    };
    parent.appendChild(button).addEventListener("click", step);
    step();
  }
  function failedPoint([row, tries, text]) {
    const values = fields.map((field) => `${field.label} = ${levelName(field, field.codes[row])}`).join(", ");
    const item = make("details");
    item.appendChild(make("summary", {}, `point ${data.index[row]}: ${values}${tries > 1 ? ` (${tries} tries)` : ""}`));
    item.appendChild(make("pre", {}, data.tracebacks[text] || "no traceback was kept"));
    return item;
  }
  function drawFailures() {
    if (!data.failures.length) return;
    more(data.failures, byId("failures"), ({ reason, points }) => {
      const item = make("details", { class: "reason" });
      item.appendChild(make("summary", {}, `${plural(points.length, "point")}: ${reason}`));
      item.addEventListener("toggle", () => { if (!item.querySelector("details")) more(points, item, failedPoint); });
      return item;
    });
  }

  function render() {
    showControls();
    drawMap();
    drawMarginals();
    state.page = 0;
    drawPoints();
  }
  if (seedField >= 0 && fields.length > 2) { // the seed is a repetition, seldom an axis
    const axes = fields.map((_, k) => k).filter((k) => k !== seedField);
    [state.x, state.y] = axes;
  }
  controls();
  tableHead();
  paging();
  drawFailures();
  render();
  document.documentElement.dataset.ready = "yes";
})();
