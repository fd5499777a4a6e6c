// The page at the line: a list of photographs, the chosen one under its overlay, and its regions.
"use strict";
(function () {
  const get = (id) => document.getElementById(id);
  const data = JSON.parse(get("data").textContent);
  const stage = get("stage"), marker = get("marker"), slider = get("strength");
  let at = 0, region = -1;

  function element(name, text, className) {
    const made = document.createElement(name);
    made.textContent = text; // never as HTML: names of files may hold anything
    if (className) made.className = className;
    return made;
  }
  const digits = (value) => value.toFixed(3);

  const entries = data.photographs.map((photograph, number) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = photograph.verdict;
    button.append(element("span", photograph.name),
                  element("span", photograph.probability === null ? "failed" : digits(photograph.probability)));
    button.addEventListener("click", () => show(number));
    const item = document.createElement("li");
    item.append(button);
    get("photographs").append(item);
    return item;
  });

  function opacity() {
    get("overlay").style.opacity = Number(slider.value) / 100;
    get("strength-value").textContent = slider.value + " %";
  }

  function choose(number) {
    const photograph = data.photographs[at];
    region = number;
    [...get("regions").tBodies[0].rows].forEach((row, i) => row.setAttribute("aria-selected", String(i === number)));
    marker.hidden = number < 0;
    if (number < 0) return;
    const [x, y, width, height] = photograph.regions[number].box;
    const percent = (value, side) => 100 * value / side + "%";
    marker.style.left = percent(x, photograph.width);
    marker.style.top = percent(y, photograph.height);
    marker.style.width = percent(width, photograph.width);
    marker.style.height = percent(height, photograph.height);
    marker.scrollIntoView({ block: "nearest", inline: "center" });
    if (stage.classList.contains("whole")) {
      stage.scrollLeft = marker.offsetLeft - (stage.clientWidth - marker.offsetWidth) / 2;
      stage.scrollTop = marker.offsetTop - (stage.clientHeight - marker.offsetHeight) / 2;
    }
  }

  function show(number) {
    const photograph = data.photographs[number];
    if (!photograph) return;
    at = number;
    entries.forEach((item, i) => item.firstChild.toggleAttribute("aria-current", i === number));
    entries[number].scrollIntoView({ block: "nearest" });
    get("name").textContent = photograph.name;
    const says = get("says");
    says.replaceChildren(element("span", photograph.verdict, "verdict " + photograph.verdict));
    if (photograph.probability !== null)
      says.append(", probability of a defect " + digits(photograph.probability) + " (defective above " +
                  digits(data.decision) + "), " + photograph.regions.length + " regions");
    if (photograph.reason) says.append(": " + photograph.reason);
    get("drift").replaceChildren(...photograph.drift.map((reason) => element("li", "Unlike training: " + reason)));
    stage.hidden = !photograph.overlay;
    for (const [id, file] of [["photograph", photograph.picture], ["overlay", photograph.overlay]])
      if (file) get(id).src = file; else get(id).removeAttribute("src");
    get("regions").hidden = !photograph.regions.length;
    get("regions").tBodies[0].replaceChildren(...photograph.regions.map((found, i) => {
      const row = document.createElement("tr");
      row.append(...[i + 1, found.kind, digits(found.score), digits(found.peak), ...found.box, found.area]
        .map((value) => element("td", value)));
      row.addEventListener("click", () => choose(i));
      return row;
    }));
    choose(-1);
  }

  function step(by) {
    for (let i = at + by; i >= 0 && i < entries.length; i += by)
      if (!entries[i].hidden) return show(i);
  }
  function zoom() {
    get("zoom").setAttribute("aria-pressed", String(stage.classList.toggle("whole")));
    if (region >= 0) choose(region);
  }
  function strength(by) {
    slider.value = Number(slider.value) + by;
    opacity();
  }

  slider.addEventListener("input", opacity);
  get("previous").addEventListener("click", () => step(-1));
  get("next").addEventListener("click", () => step(1));
  get("zoom").addEventListener("click", zoom);
  get("hide-good").addEventListener("change", (event) =>
    entries.forEach((item, i) => { item.hidden = event.target.checked && data.photographs[i].verdict === "good"; }));
  const keys = {
    ArrowUp: () => step(-1), ArrowDown: () => step(1), ArrowLeft: () => strength(-10), ArrowRight: () => strength(10), z: zoom,
    r: () => { const count = data.photographs[at].regions.length; if (count) choose((region + 1) % count); },
  };
  document.addEventListener("keydown", (event) => {
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey || event.target.id === "strength") return;
    if (event.target.id === "stage" && stage.classList.contains("whole") && event.key.startsWith("Arrow")) return;
    event.preventDefault();
    act();
  });
  opacity();
  if (data.photographs.length) show(0);
  get("inspection").dataset.ready = "true";
})();
