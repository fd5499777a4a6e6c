// The viewer: one tile, its truths, and the heatmap of the chosen model, method and setting over it.
"use strict";
(function () {
  const root = document.getElementById("viewer");
  if (!root) return; // the page says why there is none
  const data = JSON.parse(document.getElementById("viewer-data").textContent);
  const field = (name) => document.getElementById("viewer-" + name);
  const canvas = field("canvas");
  const px = data.px;
  canvas.width = canvas.height = px;

  function bytes(text) {
    const binary = atob(text);
    const out = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) out[i] = binary.charCodeAt(i);
    return out;
  }

  // Cividis: equally readable with and without colour vision. Nine stops, interpolated.
  const stops = [[0, 32, 77], [0, 48, 111], [57, 72, 107], [92, 97, 111], [123, 123, 119],
                 [153, 149, 118], [187, 176, 107], [222, 205, 86], [255, 234, 70]];
  function colour(value) {
    const place = value / 255 * (stops.length - 1);
    const at = Math.min(Math.floor(place), stops.length - 2);
    const part = place - at;
    return stops[at].map((low, i) => low + (stops[at + 1][i] - low) * part);
  }

  function fill(select, values, text) {
    const before = select.value;
    select.replaceChildren(...values.map((value, i) => new Option(text ? text(value, i) : value, value)));
    if (values.map(String).includes(before)) select.value = before;
  }

  // Bilinear between cell centres; beyond the outermost centres their value is repeated.
  function enlarge(maps, start) {
    const out = new Float32Array(px * px);
    const at = (pixel, count) => {
      const place = Math.min(Math.max((pixel + 0.5 - maps.offset_px) / maps.cell_px - 0.5, 0), count - 1);
      const low = Math.min(Math.floor(place), Math.max(count - 2, 0));
      return [low, Math.min(low + 1, count - 1), place - low];
    };
    for (let y = 0; y < px; y++) {
      const [top, bottom, down] = at(y, maps.height);
      for (let x = 0; x < px; x++) {
        const [left, right, across] = at(x, maps.width);
        const cell = (row, column) => maps.bytes[start + row * maps.width + column];
        const above = cell(top, left) + (cell(top, right) - cell(top, left)) * across;
        const below = cell(bottom, left) + (cell(bottom, right) - cell(bottom, left)) * across;
        out[y * px + x] = above + (below - above) * down;
      }
    }
    let low = Infinity, high = -Infinity;
    for (const value of out) { low = Math.min(low, value); high = Math.max(high, value); }
    if (high > low) for (let i = 0; i < out.length; i++) out[i] = (out[i] - low) / (high - low) * 255;
    return out;
  }

  // Three decimals, or two digits of what these would show as 0.
  function digits(value) { return value && value < 0.0005 ? value.toPrecision(2) : value.toFixed(3); }

  function truthBit(packed, index) { return packed[index >> 3] >> (7 - (index & 7)) & 1; }

  function outline(inside, x, y) {
    if (!inside(x, y)) return false;
    return x === 0 || y === 0 || x === px - 1 || y === px - 1 ||
      !inside(x - 1, y) || !inside(x + 1, y) || !inside(x, y - 1) || !inside(x, y + 1);
  }

  const pictures = data.tiles.map((tile) => {
    const picture = new Image();
    picture.src = tile.image;
    return picture;
  });
  for (const model of Object.values(data.models))
    for (const maps of Object.values(model.methods)) maps.bytes = bytes(maps.values);
  for (const tile of data.tiles)
    tile.packed = Object.fromEntries(Object.entries(tile.truths).map(([kind, text]) => [kind, bytes(text)]));

  function choices() {
    const model = data.models[field("model").value];
    fill(field("method"), Object.keys(model.methods));
    const maps = model.methods[field("method").value];
    fill(field("fusion"), [...new Set(maps.fusions)]);
    const own = maps.discards.filter((_, i) => maps.fusions[i] === field("fusion").value);
    const sorted = [...new Set(own)].sort((a, b) => a - b);
    const slider = field("discard");
    slider.max = sorted.length - 1;
    slider.disabled = sorted.length < 2;
    if (Number(slider.value) > sorted.length - 1) slider.value = sorted.length - 1;
    return { model, maps, discard: sorted[Number(slider.value)] };
  }

  function draw() {
    const { model, maps, discard } = choices();
    const number = Number(field("tile").value);
    const tile = data.tiles[number];
    const fusion = field("fusion").value;
    const setting = maps.fusions.findIndex((name, i) => name === fusion && maps.discards[i] === discard);
    const cells = maps.height * maps.width;
    const heat = enlarge(maps, (number * maps.fusions.length + setting) * cells);
    const strength = Number(field("strength").value) / 100;
    const threshold = Number(field("threshold").value);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(pictures[number], 0, 0, px, px);
    const shown = context.getImageData(0, 0, px, px);
    const above = (x, y) => heat[y * px + x] > threshold;
    const kinds = Object.keys(tile.packed).filter((kind) => field("truth-" + kind) && field("truth-" + kind).checked);
    let lit = 0;
    for (let y = 0; y < px; y++) for (let x = 0; x < px; x++) {
      const i = y * px + x;
      const mixed = colour(heat[i]);
      for (let c = 0; c < 3; c++)
        shown.data[4 * i + c] = shown.data[4 * i + c] * (1 - strength) + mixed[c] * strength;
      if (heat[i] > threshold) lit++;
      if (field("contour").checked && outline(above, x, y)) shown.data.set([255, 255, 255], 4 * i);
      for (const kind of kinds)
        if (outline((a, b) => truthBit(tile.packed[kind], b * px + a), x, y))
          shown.data.set(kind === "exact" ? [213, 94, 0] : [0, 158, 255], 4 * i);
    }
    context.putImageData(shown, 0, 0);
    const probability = model.probability[number];
    field("discard-value").textContent = discard;
    field("threshold-value").textContent = threshold;
    field("strength-value").textContent = Math.round(strength * 100) + " %";
    field("says").textContent = tile.id + ": " + tile.label + (tile.kind !== tile.label ? " (" + tile.kind + ")" : "") +
      ". Probability of a defect " + digits(probability) +
      (probability > data.probability_threshold ? "" :
        ", not above " + data.probability_threshold + ": the rule of the scores shows nothing") +
      ". Above the threshold: " + (100 * lit / (px * px)).toFixed(1) + " % of the tile.";
  }

  fill(field("model"), Object.keys(data.models));
  fill(field("tile"), data.tiles.map((_, i) => i), (_, i) => (i + 1) + ": " + data.tiles[i].kind + ", " + data.tiles[i].id);
  root.addEventListener("input", draw);
  const step = (by) => {
    const select = field("tile");
    select.selectedIndex = (select.selectedIndex + by + select.options.length) % select.options.length;
    draw();
  };
  field("previous").addEventListener("click", () => step(-1));
  field("next").addEventListener("click", () => step(1));
  canvas.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") step(-1);
    else if (event.key === "ArrowRight") step(1);
    else return;
    event.preventDefault();
  });
  Promise.all(pictures.map((picture) => picture.decode())).then(() => {
    draw();
    root.dataset.ready = "true";
  });
})();
