"use strict";
(() => {
  const form = document.getElementById("filter");
  const nothing = document.getElementById("nothing");
  const cases = [...document.querySelectorAll("details.case")];
  const rows = [...document.querySelectorAll("table.overview tbody tr")];
  // Without this script the page is whole; only the filter would be idle.
  form.hidden = false;

  const filter = () => {
    const standing = form.elements.standing.value;
    const text = form.elements.text.value.trim().toLowerCase();
    const fits = (element, words) =>
      (!standing || element.dataset.standing === standing) && words.toLowerCase().includes(text);
    for (const row of rows) row.hidden = !fits(row, row.textContent);
    for (const each of cases) each.hidden = !fits(each, each.firstElementChild.textContent);
    nothing.hidden = rows.some((row) => !row.hidden);
  };
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("click", (event) => {
    const open = event.target.dataset.open;
    if (open !== undefined) for (const each of cases) each.open = Boolean(open);
  });
  const follow = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (target && "open" in target) target.open = true;
  };
  addEventListener("hashchange", follow);
  // Following the same link again changes no hash, and must open a closed case all the same.
  document.addEventListener("click", (event) => {
    if (event.target.closest("table.overview a")) setTimeout(follow);
  });
  // Paper has no click: everything is open while printing, and as it was afterwards.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    for (const each of closed) each.open = true;
  });
  addEventListener("afterprint", () => {
    for (const each of closed) each.open = false;
  });
  // A reload keeps what was typed; show what it says.
  filter();
  follow();
})();
