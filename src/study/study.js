"use strict";
// One patch at a time; answers are kept in the browser until they are saved as a file. Nothing is sent anywhere.
(() => {
  const by = (id) => document.getElementById(id);
  const main = by("main");
  const { study } = main.dataset;
  const count = Number(main.dataset.count);
  const digits = Number(main.dataset.digits);
  const place = `histogen-study-${study}`;
  const name = (index) => String(index + 1).padStart(digits, "0");
  let answers = [];
  let at = 0;
  let shown = 0;

  // A browser may forbid storage to a page that is a file: then a pause costs the answers, and nothing else.
  const keep = () => { try { localStorage.setItem(place, JSON.stringify(answers)); } catch { /* not kept */ } };
  try { answers = JSON.parse(localStorage.getItem(place)) ?? []; } catch { answers = []; }
  if (!Array.isArray(answers) || answers.length > count) answers = [];

  const show = (section) => {
    for (const id of ["begin", "ask", "end"]) by(id).hidden = id !== section;
  };

  const ask = (index) => {
    at = index;
    show("ask");
    by("patch").src = `${name(index)}.png`;
    by("count").textContent = `Patch ${index + 1} of ${count}`;
    by("progress").value = answers.length;
    by("back").disabled = index === 0;
    const given = answers[index];
    for (const button of document.querySelectorAll("[data-answer]")) {
      const isGiven = given?.answer === button.dataset.answer && String(given?.sure) === button.dataset.sure;
      button.setAttribute("aria-pressed", String(isGiven));
    }
    if (index + 1 < count) new Image().src = `${name(index + 1)}.png`;
    shown = performance.now();
  };

  const finish = () => {
    show("end");
    const isWhole = answers.length === count;
    by("done").textContent = isWhole ? "That was the last one" : `${answers.length} of ${count} answered`;
    by("saved").textContent = "";
    by("reader").focus();
  };

  const answer = (button) => {
    const { answer, sure } = button.dataset;
    const milliseconds = Math.round(performance.now() - shown);
    answers[at] = { item: name(at), answer, sure: sure === "true", milliseconds };
    keep();
    if (at + 1 < count) ask(at + 1); else finish();
  };

  by("start").addEventListener("click", () => {
    if (answers.length < count) ask(answers.length); else finish();
  });
  by("back").addEventListener("click", () => { if (at > 0) ask(at - 1); });
  by("stop").addEventListener("click", finish);
  by("resume").addEventListener("click", () => ask(Math.min(answers.length, count - 1)));
  const choices = [...document.querySelectorAll("[data-answer]")];
  for (const button of choices) button.addEventListener("click", () => answer(button));
  document.addEventListener("keydown", (event) => {
    if (by("ask").hidden || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const button = choices[Number(event.key) - 1];
    if (button) answer(button);
    else if (event.key === "Backspace" && at > 0) ask(at - 1);
    else return;
    event.preventDefault();
  });
  by("save").addEventListener("submit", (event) => {
    event.preventDefault();
    const reader = by("reader").value.trim();
    if (!reader) return;
    const text = JSON.stringify({ study, reader, finished: answers.length === count, answers }, null, 1);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = `answers-${reader.replace(/[^\p{L}\p{N}]+/gu, "-")}.json`;
    link.click();
    by("saved").textContent = `Saved as ${link.download}. Send it to whoever gave you this test.`;
  });
  if (answers.length > 0) by("start").textContent = "Go on";
})();
