"use strict";
// The page's script: texts go in by textContent only, so a label or a file's name is never markup.
const $ = (id) => document.getElementById(id);
let picture = null;
let key = "";
const shownUrls = [];

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes || {})) {
    if (attribute === "onclick") made.addEventListener("click", value);
    else if (attribute === "width%") made.style.width = value + "%";
    else if (value !== null && value !== false) made.setAttribute(attribute, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

async function send(path, options) {
  const headers = { ...(options && options.headers), ...(key && { Authorization: "Bearer " + key }) };
  const answer = await fetch(path, { ...options, headers });
  if (answer.status === 401) $("key-form").hidden = false;
  if (answer.ok) return answer;
  const value = await answer.json().catch(() => ({}));
  throw new Error(value.error || "the server answered " + answer.status);
}

async function ask(path, options) {
  return (await send(path, options)).json();
}

async function loadModels() {
  const { models } = await ask("/page/models");
  const before = [$("first").value, $("second").value];
  const ready = models.flatMap((model) => model.versions.filter((one) => one.state === "AVAILABLE").map((one) => ({ ...one, name: model.name })));
  const options = ready.filter((one) => one.path !== "/generate")
    .map((one) => [JSON.stringify([one.name, one.version, one.path]), `${one.name} · ${one.version}`]);
  offerGenerators(ready.filter((one) => one.path === "/generate"), !options.length);
  $("first").replaceChildren(...options.map(([value, text]) => element("option", { value }, text)));
  $("second").replaceChildren(element("option", { value: "" }, "nothing"), ...options.map(([value, text]) => element("option", { value }, text)));
  if (options.some(([value]) => value === before[0])) $("first").value = before[0];
  if (options.some(([value]) => value === before[1])) $("second").value = before[1];
  showModels(models);
}

function showModels(models) {
  const cards = models.map((model) => {
    const labels = Object.entries(model.labels).map(([label, [version, share]]) => `${label} → ${version}${share ? " (" + Math.round(100 * share) + " % of requests)" : ""}`);
    const rows = model.versions.map((one) => element("tr", {},
      element("td", {}, String(one.version)),
      element("td", {}, element("span", { class: "pill " + one.state }, one.state.toLowerCase())),
      element("td", {}, one.net), element("td", {}, one.engine), element("td", { class: "n" }, one.classes ? String(one.classes) : ""),
      element("td", { class: "n" }, one.accuracy === null ? "not known" : (100 * one.accuracy).toFixed(1) + " %"),
      element("td", { class: "n" }, String(one.requests)), element("td", { class: "n" }, String(one.pictures)),
      element("td", { class: "n" }, one.memory_bytes ? Math.round(one.memory_bytes / 1e6) + " MB" : ""),
      element("td", {}, curve(one.latency)), element("td", { title: one.digest }, one.digest.slice(0, 12))));
    const head = ["Version", "State", "Net", "Engine", "Classes", "Accuracy", "Requests", "Pictures", "Memory", "Time of the model", "Digest"];
    const numbers = ["Classes", "Accuracy", "Requests", "Pictures", "Memory"];
    return element("div", { class: "card" }, element("h2", {}, model.name),
      element("p", { class: "muted small" }, labels.join(", ") || "No labels: the newest version answers."),
      element("div", { class: "scroll" }, element("table", {},
        element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { class: numbers.includes(text) ? "n" : null }, text)))),
        element("tbody", {}, ...rows))));
  });
  $("models").replaceChildren(...(cards.length ? cards : [element("p", { class: "card" }, "No model is loaded yet.")]));
}

function curve(latency) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("class", "curve");
  svg.setAttribute("viewBox", "0 0 120 28");
  svg.setAttribute("role", "img");
  const most = Math.max(...latency.map(([, share]) => share), 0);
  const best = latency.filter(([, share]) => share === most && share > 0)[0];
  svg.setAttribute("aria-label", best ? `most batches take ${best[0] === null ? "over 10 s" : "up to " + best[0] * 1000 + " ms"}` : "no picture yet");
  const title = document.createElementNS(space, "title");
  title.textContent = svg.getAttribute("aria-label");
  svg.append(title);
  latency.forEach(([, share], index) => {
    if (!share) return;
    const bar = document.createElementNS(space, "rect");
    const width = 120 / latency.length, height = Math.max(2, 26 * share / most);
    for (const [name, value] of [["x", index * width], ["y", 28 - height], ["width", width - 1], ["height", height]]) bar.setAttribute(name, value);
    svg.append(bar);
  });
  return svg;
}

function take(file) {
  if (!file) return;
  picture = file;
  if ($("preview").src) URL.revokeObjectURL($("preview").src);
  $("preview").src = URL.createObjectURL(file);
  $("preview").hidden = false;
  $("preview").alt = "the chosen picture";
  $("preview").onerror = () => { $("preview").hidden = true; };
  $("drop-title").textContent = file.name || "a pasted picture";
  $("drop-note").textContent = `${(file.size / 1000).toFixed(0)} kB. Drop or choose another one.`;
  classify();
}

async function classify() {
  if (!picture) return;
  const asked = classify.asked = {};
  let problem = "No model that takes a picture is loaded yet.";
  // The page may have been opened before the first one was loaded, or be open while a version takes another one's place.
  await loadModels().catch((error) => { problem = error.message; });
  if (classify.asked !== asked) return;
  shownUrls.splice(0).forEach((url) => URL.revokeObjectURL(url));
  const wanted = [$("first").value, $("second").value].filter(Boolean);
  if (!wanted.length) return tell(problem);
  $("results").replaceChildren(...wanted.map((text) => {
    const [name, version, path] = JSON.parse(text);
    const card = element("article", { class: "card" }, element("h2", {}, `${name} · ${version}`), element("p", { class: "muted" }, "Looking …"));
    if (path === "/caption") caption(card, name, version);
    else if (path === "/stylize") stylize(card, name, version);
    else explain(card, name, version, null);
    return card;
  }));
}

function tell(problem) {
  $("results").replaceChildren(element("p", { class: "error", role: "alert" }, problem));
}

async function caption(card, name, version) {
  try {
    const found = await ask("/caption?" + new URLSearchParams({ model: name, version }), {
      method: "POST", body: picture, headers: { "Content-Type": "application/octet-stream" } });
    const { captions, ms } = found.results[0];
    card.replaceChildren(element("h2", {}, `${found.model} · ${found.version}`),
      element("ol", { class: "captions" }, ...captions.map(({ text, p }) =>
        element("li", {}, text, element("span", { class: "muted small" }, ` p=${p.toPrecision(3)}`)))),
      element("p", { class: "small muted" }, `decode ${ms.decode.toFixed(1)} ms, wait for the batch ${ms.wait.toFixed(1)} ms, model ${ms.model.toFixed(1)} ms`),
      element("p", { class: "small muted", title: found.digest }, `digest ${found.digest.slice(0, 16)}`));
  } catch (error) {
    card.replaceChildren(element("h2", {}, `${name} · ${version}`), element("p", { class: "error", role: "alert" }, error.message));
  }
}

async function stylize(card, name, version) {
  const given = picture;
  try {
    const answer = await send("/stylize?" + new URLSearchParams({ model: name, version }), {
      method: "POST", body: given, headers: { "Content-Type": "application/octet-stream" } });
    const made = await answer.blob();
    if (given !== picture) return;
    const [before, after] = [given, made].map((file) => URL.createObjectURL(file));
    shownUrls.push(before, after);
    const ms = Object.fromEntries([...(answer.headers.get("Server-Timing") || "").matchAll(/(\w+);dur=([\d.]+)/g)].map(([, stage, time]) => [stage, Number(time)]));
    const saved = `${(given.name || "picture").replace(/\.[^.]*$/, "")}-${name}.${made.type.split("/")[1].replace("jpeg", "jpg")}`;
    const figures = [[before, "the picture"], [after, "stylized"]].map(([src, text]) => {
      const caption = element("figcaption", {}, text);
      const image = element("img", { src, alt: text });
      image.addEventListener("load", () => { caption.textContent = `${text}, ${image.naturalWidth} × ${image.naturalHeight}`; });
      image.addEventListener("error", () => { image.replaceWith(element("p", { class: "muted" }, "This browser does not show files of this kind.")); });
      return element("figure", {}, image, caption);
    });
    card.classList.add("wide");
    card.replaceChildren(element("h2", {}, `${name} · ${version}`), element("div", { class: "views whole" }, ...figures),
      element("p", {}, element("a", { href: after, download: saved }, "Save the stylized picture")),
      element("p", { class: "small muted" }, `wait for others ${ms.wait.toFixed(1)} ms, decode and encode ${ms.decode.toFixed(1)} ms, net ${ms.model.toFixed(1)} ms`),
      element("p", { class: "small muted", title: answer.headers.get("X-Model-Digest") }, `digest ${answer.headers.get("X-Model-Digest").slice(0, 16)}`));
  } catch (error) {
    card.replaceChildren(element("h2", {}, `${name} · ${version}`), element("p", { class: "error", role: "alert" }, error.message));
  }
}

async function explain(card, name, version, labelId) {
  const query = new URLSearchParams({ model: name, version });
  if (labelId !== null) query.set("label_id", labelId);
  const asked = card.asked = {}; // of two classes that are chosen one after the other, the later one's map may come first
  card.setAttribute("aria-busy", "true");
  try {
    const found = await ask("/page/explain?" + query, { method: "POST", body: picture });
    if (card.asked !== asked) return;
    const shownId = labelId === null ? found.top[0][0] : labelId;
    const bars = found.top.map(([id, label, score]) => element("li", {}, element("button", {
      "aria-pressed": String(id === shownId), title: "Show where this class was seen", onclick: () => explain(card, name, version, id) },
      element("span", { class: "bar", "width%": 100 * score }), element("span", {}, label), element("span", {}, (100 * score).toFixed(1) + " %"))));
    const { decode, wait, model, all } = found.ms;
    const views = [[found.seen, "As the model saw it"], [found.map, found.map && `What mattered for “${found.map_label}” (${found.map_kind})`]];
    card.replaceChildren(element("h2", {}, `${found.model} · ${found.version}`), element("ol", { class: "top" }, ...bars),
      element("div", { class: "views" }, ...views.filter(([url]) => url).map(([url, text]) =>
        element("figure", {}, element("img", { src: url, alt: text }), element("figcaption", {}, text)))),
      element("div", { class: "times", "aria-hidden": "true" }, ...[["decode", decode], ["wait", wait], ["model", model]].map(([stage, ms]) =>
        element("i", { class: stage, "width%": 100 * ms / Math.max(decode + wait + model, 0.001) }))),
      element("p", { class: "small muted" }, `decode ${decode.toFixed(1)} ms, wait for the batch ${wait.toFixed(1)} ms, model ${model.toFixed(1)} ms; in all ${all.toFixed(1)} ms`),
      element("p", { class: "small muted", title: found.digest }, `digest ${found.digest.slice(0, 16)}`));
  } catch (error) {
    if (card.asked !== asked) return;
    card.replaceChildren(element("h2", {}, `${name} · ${version}`), element("p", { class: "error", role: "alert" }, error.message));
  }
  card.removeAttribute("aria-busy");
}

const TITLES = {
  classify: ["What does the model see?", "Drop a picture. It stays between this browser and this server."],
  generate: ["What does the model draw?", "Type a caption. It stays between this browser and this server."],
  models: ["Which models are there?", "All versions that this server has loaded, or could not load."],
};

function turn(tab) {
  [$("title").textContent, $("subtitle").textContent] = TITLES[tab];
  for (const name of ["classify", "generate", "models"]) {
    $(name).hidden = name !== tab;
    $("tab-" + name).setAttribute("aria-selected", String(name === tab));
  }
  loadModels().catch(() => {});
}

const drop = $("drop");
drop.addEventListener("click", () => $("file").click());
drop.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); $("file").click(); } });
$("file").addEventListener("click", (event) => event.stopPropagation());
$("file").addEventListener("change", (event) => {
  take(event.target.files[0]);
  event.target.value = ""; // or the same file chosen again, behind another one that was dropped, would be no change
});
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", name === "dragover");
    if (name === "drop") take(event.dataTransfer.files[0]);
  });
}
document.addEventListener("paste", (event) => take([...event.clipboardData.files][0]));
$("first").addEventListener("change", classify);
$("second").addEventListener("change", classify);
for (const name of ["classify", "generate", "models"]) $("tab-" + name).addEventListener("click", () => turn(name));
$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  key = $("key").value.trim();
  $("key-form").hidden = true;
  loadModels().then(() => { $("results").replaceChildren(); classify(); }, (error) => tell(error.message));
});
addEventListener("load", () => loadModels().catch((error) => tell(error.message))); // once generate.js is there too
