// The script of the page, which is complete without it: a switch between light and dark, tooltips, and the arrow keys
// in plots. No "<" or "&" in it, so that the page is XML as well.
#pragma once

#include <string_view>

namespace gpunet::detail::report {

inline constexpr std::string_view script = R"js(
"use strict";
const root = document.documentElement, tip = document.getElementById("tip"), theme = document.getElementById("theme");
root.classList.add("js");

theme.addEventListener("click", () => {
  const now = root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  root.dataset.theme = now === "dark" ? "light" : "dark";
});

for (const point of document.querySelectorAll(".pt, .bar")) {
  const title = point.querySelector("title");
  point.dataset.tip = title.textContent;
  if (point.matches(".pt")) point.setAttribute("aria-label", title.textContent);
  title.remove();
}

let current = null;

function place() {
  if (!current) return;
  const mark = (current.querySelector(".ring, rect") || current).getBoundingClientRect();
  const box = tip.getBoundingClientRect();
  const left = Math.min(mark.right + 8, root.clientWidth - box.width - 8);
  const above = mark.top - box.height - 8;
  tip.style.left = Math.max(8, left) + "px";
  tip.style.top = (above > 8 ? above : mark.bottom + 8) + "px";
}
function hide() {
  current = null;
  tip.hidden = true;
  for (const point of document.querySelectorAll(".same")) point.classList.remove("same");
}
function show(event) {
  hide();
  current = event.target.closest(".pt, .bar");
  if (!current) return;
  tip.textContent = current.dataset.tip;
  tip.hidden = false;
  place();
  for (const other of current.closest("svg").querySelectorAll(".pt"))
    other.classList.toggle("same", other.dataset.model === current.dataset.model);
}
document.addEventListener("mouseover", show);
document.addEventListener("focusin", show);
document.addEventListener("focusout", hide);
document.addEventListener("scroll", place, { passive: true });
document.addEventListener("keydown", event => { if (event.key === "Escape") hide(); });

for (const plot of document.querySelectorAll("svg[role=group]")) {
  const points = Array.from(plot.querySelectorAll(".pt")).reverse();
  points.forEach((point, i) => point.setAttribute("tabindex", i === 0 ? "0" : "-1"));
  plot.addEventListener("keydown", event => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const from = points.indexOf(document.activeElement);
    if (!step || from === -1) return;
    event.preventDefault();
    const to = (from + step + points.length) % points.length;
    points[from].setAttribute("tabindex", "-1");
    points[to].setAttribute("tabindex", "0");
    points[to].focus();
  });
}

addEventListener("beforeprint", () => { for (const d of document.querySelectorAll("details")) d.open = true; });
)js";

} // namespace gpunet::detail::report
