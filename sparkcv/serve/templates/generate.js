"use strict";
// The part of the page that makes pictures from captions; page.js, which comes first, has $, element, ask and turn.
let generators = [];
let isFirstLook = true;

function offerGenerators(found, isAlone) {
  generators = found;
  const before = $("make-model").value;
  const names = found.map((one) => `${one.name} · ${one.version}`);
  $("make-model").replaceChildren(...names.map((name, index) => element("option", { value: JSON.stringify([found[index].name, found[index].version]) }, name)));
  if ([...$("make-model").options].some((one) => one.value === before)) $("make-model").value = before;
  $("tab-generate").hidden = !found.length;
  showWords();
  if (isFirstLook && found.length && isAlone) {
    isFirstLook = false;
    turn("generate");
  }
  isFirstLook = isFirstLook && !found.length && isAlone;
}

function chosenGenerator() {
  return generators.find((one) => JSON.stringify([one.name, one.version]) === $("make-model").value);
}

function showWords() {
  const one = chosenGenerator();
  if (!one) return;
  $("make-number").max = one.max_pictures;
  $("make-words").textContent = `It knows words such as ${one.words.join(", ")}.`;
}

async function make() {
  const one = chosenGenerator();
  const caption = $("make-caption").value.trim(), to = $("make-to").value.trim();
  if (!one || !caption) return;
  const number = Number($("make-number").value) || 1;
  const wanted = make.wanted = {}; // of two that are asked for one after the other, the earlier one's may come last
  const asked = { caption, seed: Number($("make-seed").value) || 0, num_pictures: to ? Math.max(2, number) : number, ...(to && { to_caption: to }) };
  $("made").replaceChildren(element("p", { class: "card muted" }, "Making …"));
  try {
    const found = await ask("/generate?" + new URLSearchParams({ model: one.name, version: one.version }), {
      method: "POST", body: JSON.stringify(asked), headers: { "Content-Type": "application/json", Accept: "application/json" } });
    if (make.wanted !== wanted) return;
    const unknown = Object.values(found.unknown_words).flat();
    const about = [
      ...(unknown.length ? [element("p", { class: "error", role: "status" }, `The model does not know: ${unknown.join(", ")}.`)] : []),
      element("p", { class: "small muted", title: found.digest }, `${found.model} · ${found.version}, step ${found.step}, seed ${found.seed}: the same again gives the same pictures.`)];
    const pictures = found.pictures.map(({ png }, index) => element("img", { src: "data:image/png;base64," + png, alt: `${found.pictures[index].caption}, picture ${index + 1}` }));
    $("made").replaceChildren(element("article", { class: "card" }, to ? way(pictures, caption, to) : element("div", { class: "made" }, ...pictures), ...about));
  } catch (error) {
    if (make.wanted !== wanted) return;
    $("made").replaceChildren(element("p", { class: "card error", role: "alert" }, error.message));
  }
}

function way(pictures, from, to) {
  const large = element("img", { src: pictures[0].src, alt: from });
  const slider = element("input", { type: "range", min: "0", max: String(pictures.length - 1), value: "0", "aria-label": "the way from the one caption to the other" });
  const steps = pictures.map((picture, index) => element("button", { type: "button", "aria-pressed": String(!index), onclick: () => show(index) }, picture));
  const show = (index) => {
    slider.value = String(index);
    large.src = pictures[index].src;
    large.alt = pictures[index].alt;
    slider.setAttribute("aria-valuetext", `picture ${index + 1} of ${pictures.length}`);
    steps.forEach((step, at) => step.setAttribute("aria-pressed", String(at === index)));
  };
  slider.addEventListener("input", () => show(Number(slider.value)));
  return element("div", { class: "way" }, element("div", { class: "large" }, large), slider,
    element("p", { class: "ends small muted" }, element("span", {}, from), element("span", {}, to)), element("div", { class: "strip" }, ...steps));
}

$("make-form").addEventListener("submit", (event) => { event.preventDefault(); make(); });
$("make-again").addEventListener("click", () => { $("make-seed").value = String(Math.floor(Math.random() * 1e6)); make(); });
$("make-model").addEventListener("change", () => { showWords(); make(); });
