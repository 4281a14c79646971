// Follows ledgers: asks for the state every two seconds, and shows what has changed. What is new on the page is loaded.
"use strict";

const place = document.querySelector("[data-poll]");
const losses = (run) => run.curves.filter((curve) => curve.name.endsWith("_loss")).map((curve) => `${curve.name} ${curve.last}`);

function put(scope, name, text) {
  const target = scope.querySelector(`[data-show="${name}"]`);
  if (target && target.textContent.trim() !== text) target.textContent = text;
}

function showAll(runs) {
  const rows = new Map([...place.querySelectorAll("tr[data-run]")].map((row) => [row.dataset.run, row]));
  if (runs.length !== rows.size || runs.some((run) => !rows.has(run.name))) return location.reload();
  for (const run of runs) {
    put(rows.get(run.name), "state", run.state);
    put(rows.get(run.name), "losses", losses(run).join(" "));
  }
}

function showOne(run) {
  const curves = new Map([...place.querySelectorAll("[data-curve]")].map((one) => [one.dataset.curve, one]));
  const picture = place.querySelector("img.live");
  if (run.curves.some((curve) => !curves.has(curve.name)) || (run.samples && !picture)) return location.reload();
  put(place, "state", run.state);
  put(place, "left", run.left && `, ${run.left} left`);
  const progress = place.querySelector("progress");
  if (progress) progress.value = run.step;
  for (const curve of run.curves) {
    curves.get(curve.name).querySelector("polyline").setAttribute("points", curve.points);
    curves.get(curve.name).querySelector("strong").textContent = curve.last;
  }
  if (picture && run.samples && picture.getAttribute("src") !== run.samples) {
    picture.setAttribute("src", run.samples);
    put(place, "file", run.samples);
  }
}

async function poll() {
  try {
    const answer = await fetch(place.dataset.poll);
    if (answer.ok) {
      const found = await answer.json();
      Array.isArray(found) ? showAll(found) : showOne(found);
    }
  } catch {
    // The server has ended; it may come back.
  }
  setTimeout(poll, 2000);
}

if (place) setTimeout(poll, 2000);
