/* The portal's one script: draws charts, switches to their tables, writes CSV files, shows definitions. */
(function () {
  "use strict";
  var root = document.documentElement, remembered = "holdback-theme";
  root.classList.add("js");

  /* Light and dark: before the first paint, so that nothing flashes. A browser may refuse to remember. */
  try {
    var kept = localStorage.getItem(remembered);
    if (kept === "light" || kept === "dark") { root.dataset.theme = kept; }
  } catch (refused) { /* the system's scheme holds */ }
  var system = matchMedia("(prefers-color-scheme: dark)");
  function isDark() { return root.dataset.theme ? root.dataset.theme === "dark" : system.matches; }

  function each(selector, act, within) { Array.prototype.forEach.call((within || document).querySelectorAll(selector), act); }

  /* Charts. */
  var probe, plots = [];
  function colour(name) {
    probe.style.color = "var(" + name + ")";
    return getComputedStyle(probe).color;
  }
  function coloured(value, found) {
    if (typeof value === "string") {
      var name = /^var\((--[a-z0-9-]+)\)$/.exec(value);
      return name ? (found[name[1]] = found[name[1]] || colour(name[1])) : value;
    }
    if (Array.isArray(value)) { return value.map(function (item) { return coloured(item, found); }); }
    if (value && typeof value === "object") {
      var copy = {};
      Object.keys(value).forEach(function (key) { copy[key] = coloured(value[key], found); });
      return copy;
    }
    return value;
  }
  function place(layout, path, value) {
    var steps = path.split("."), last = steps.pop();
    steps.reduce(function (inner, step) { return inner[step]; }, layout)[last] = value;
  }
  function draw(plot) {
    var spec = coloured(plot.spec, {}), width = plot.box.clientWidth;
    if (!width) { return Promise.resolve(); } /* its table is open: it is drawn when the picture comes back */
    plot.width = width;
    spec.layout.width = width;
    spec.layout.separators = plot.separators;
    spec.layout.font = { family: getComputedStyle(document.body).fontFamily, size: 13, color: colour("--ink") };
    spec.layout.hoverlabel.font.family = spec.layout.font.family;
    if (width < 520) { Object.keys(spec.narrow).forEach(function (path) { place(spec.layout, path, spec.narrow[path]); }); }
    plot.box.style.minHeight = spec.layout.height + "px";
    return Plotly.react(plot.box, spec.data, spec.layout, { displayModeBar: false, locale: plot.locale, scrollZoom: false, doubleClick: false });
  }
  function drawAll() { return plots.reduce(function (before, plot) { return before.then(function () { return draw(plot); }); }, Promise.resolve()); }
  function again() {
    if (again.waits) { return; }
    again.waits = true;
    requestAnimationFrame(function () {
      again.waits = false;
      plots.filter(function (plot) { return plot.box.clientWidth && plot.box.clientWidth !== plot.width; }).forEach(draw);
    });
  }
  function startCharts() {
    if (typeof Plotly === "undefined") { root.classList.add("no-plots"); return Promise.resolve(); }
    var dates = JSON.parse(document.getElementById("site-dates").textContent);
    if (dates.language !== "en") { /* Plotly's own language: to name it again would take half of it away */
      Plotly.register({ moduleType: "locale", name: dates.language, dictionary: {}, format: { days: dates.days, shortDays: dates.shortDays, months: dates.months, shortMonths: dates.shortMonths, date: "%d/%m/%Y" } });
    }
    each("figure.chart", function (figure) {
      var plot = { box: figure.querySelector(".chart-plot"), spec: JSON.parse(figure.querySelector(".spec").textContent), locale: dates.language, separators: dates.separators };
      plot.box.style.minHeight = plot.spec.layout.height + "px"; /* what stands below it keeps its place */
      plots.push(plot);
      figure.querySelector(".flip").addEventListener("click", function () {
        var open = figure.classList.toggle("as-table");
        this.setAttribute("aria-pressed", String(open));
        if (!open) { draw(plot); }
        measureBoxes();
      });
    });
    addEventListener("resize", again);
    addEventListener("beforeprint", function () { root.classList.add("printed"); plots.forEach(draw); });
    addEventListener("afterprint", function () { root.classList.remove("printed"); plots.forEach(draw); });
    return drawAll();
  }

  /* Folded sections: one opens when its address is asked for, all of them on paper. */
  function unfold() {
    var heading = asked(), fold = heading && heading.closest("details.fold");
    if (fold) { fold.open = true; }
  }
  function startFolds() {
    each(".fold", function (fold) {
      fold.addEventListener("toggle", function () { again(); measureBoxes(); });
    });
    each(".contents a", function (link) { link.addEventListener("click", function () { setTimeout(unfold, 0); }); });
    addEventListener("hashchange", unfold);
    addEventListener("beforeprint", function () {
      each(".fold:not([open])", function (fold) { fold.open = true; fold.dataset.printed = "yes"; });
    });
    addEventListener("afterprint", function () {
      each(".fold[data-printed]", function (fold) { fold.open = false; delete fold.dataset.printed; });
    });
    unfold();
  }

  /* CSV: the bare numbers of the very table, as a spreadsheet of the page's language reads them; a text that it would
     take for a formula gets an apostrophe. */
  var comma = root.lang === "es", between = comma ? ";" : ",";
  /* As campaigns/delivery/spreadsheets.py: after blanks that nobody sees, and in each part after a semicolon too. */
  var FORMULA = new RegExp("(^|[;\\r\\n])(?='*[\\s\\u0000-\\u001f\\u007f\\ufeff\\u200b-\\u200f\\u2060]*" +
    "[=+\\-@\\uFF1D\\uFF0B\\uFF0D\\uFF20])", "g");
  function field(value) {
    if (value === null || value === undefined) { return ""; }
    if (typeof value === "number") { return comma ? String(value).replace(".", ",") : String(value); }
    var text = value.replace(FORMULA, "$1'");
    if (/^[\t\r\n]/.test(text)) { text = "'" + text; }
    return /[",;\r\n]/.test(text) ? '"' + text.replace(/"/g, '""') + '"' : text;
  }
  function csv(table) {
    return Array.prototype.map.call(table.rows, function (row) {
      var fields = [];
      Array.prototype.forEach.call(row.cells, function (cell) {
        var own = cell.dataset.csv ? JSON.parse(cell.dataset.csv) : [cell.textContent.trim()];
        own.forEach(function (value) { fields.push(field(value)); });
      });
      return fields.join(between) + "\r\n";
    }).join("");
  }
  function download(button) {
    var text = csv(document.getElementById(button.dataset.table)), link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(["\uFEFF", text], { type: "text/csv;charset=utf-8" }));
    link.download = button.dataset.file;
    document.body.appendChild(link);
    link.click();
    link.remove();
    setTimeout(function () { URL.revokeObjectURL(link.href); }, 10000);
  }

  /* Definitions: beside their button, inside the window whatever its width; Escape puts them away. */
  function showTip(tip) {
    var button = tip.firstElementChild, text = tip.lastElementChild, edge = 8;
    tip.classList.add("placed");
    var at = button.getBoundingClientRect(), width = text.offsetWidth, height = text.offsetHeight;
    var left = Math.min(Math.max(at.left + at.width / 2 - width / 2, edge), root.clientWidth - width - edge);
    var top = at.bottom + height + edge > innerHeight && at.top > height + edge ? at.top - height : at.bottom;
    text.style.left = Math.max(left, edge) + "px";
    text.style.top = top + "px";
  }
  function startTips() {
    each(".tip", function (tip) {
      function show() { if (!tip.classList.contains("away")) { showTip(tip); } }
      function back() { tip.classList.remove("away"); }
      tip.addEventListener("mouseenter", show);
      tip.addEventListener("focusin", show);
      tip.addEventListener("mouseleave", back);
      tip.addEventListener("focusout", back);
      tip.firstElementChild.addEventListener("click", function () { back(); this.focus(); showTip(tip); });
    });
    document.addEventListener("keydown", function (event) {
      if (event.key !== "Escape") { return; }
      each(".tip:hover, .tip:focus-within", function (tip) { tip.classList.add("away"); });
    });
    addEventListener("scroll", function () { each(".tip:hover, .tip:focus-within", showTip); }, { passive: true, capture: true });
  }

  /* Definitions as lists: one below each table, which is one stop of the keyboard instead of one per column, and one of
     all of them at the end, on paper. */
  function listed(found, into) {
    var list = document.createElement("dl"), known = {};
    found.forEach(function (tip) {
      var label = tip.firstElementChild.dataset.label, text = tip.lastElementChild.textContent;
      if (known[label + "\n" + text]) { return; }
      known[label + "\n" + text] = true;
      list.appendChild(document.createElement("dt")).textContent = label;
      list.appendChild(document.createElement("dd")).textContent = text;
    });
    into.appendChild(list);
  }
  function startLists() {
    var main = document.querySelector("main"), all = Array.prototype.slice.call(document.querySelectorAll(".tip"));
    each(".tabular", function (tabular) {
      var tips = Array.prototype.slice.call(tabular.querySelectorAll("thead .tip"));
      if (!tips.length) { return; }
      var means = document.createElement("details"), title = tabular.querySelector("h3");
      means.className = "means";
      means.appendChild(document.createElement("summary")).textContent = main.dataset.columns;
      means.firstChild.setAttribute("aria-label", main.dataset.columns + ": " + title.textContent);
      listed(tips, means);
      tabular.appendChild(means);
      tips.forEach(function (tip) { tip.firstElementChild.tabIndex = -1; }); /* pointed at or touched, they still show */
    });
    if (!all.length) { return; }
    var paper = document.createElement("section");
    paper.className = "on-paper";
    paper.appendChild(document.createElement("h2")).textContent = main.dataset.definitions;
    listed(all, paper);
    main.appendChild(paper);
  }

  /* Cards on a telephone: blocks are no table to a screen reader any more unless it is told so. */
  function startCards() {
    each("table.cards", function (table) {
      var heads = Array.prototype.map.call(table.tHead.rows[0].cells, function (head) { return JSON.parse(head.dataset.csv)[0]; });
      table.setAttribute("role", "table");
      each("thead, tbody", function (group) { group.setAttribute("role", "rowgroup"); }, table);
      Array.prototype.forEach.call(table.rows, function (row) {
        row.setAttribute("role", "row");
        Array.prototype.forEach.call(row.cells, function (cell, i) {
          var isHead = row.parentNode === table.tHead;
          cell.setAttribute("role", isHead ? "columnheader" : i ? "cell" : "rowheader");
          if (!isHead && i) { cell.dataset.label = heads[i]; }
        });
      });
    });
  }

  /* A box that does not scroll is no stop for the keyboard; one that goes on to the right shows it at its edge. */
  function showEdge(box) { box.classList.toggle("goes-on", box.scrollWidth - box.clientWidth - box.scrollLeft > 2); }
  function measureBoxes() {
    each(".scroll", function (box) {
      box.tabIndex = box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight ? 0 : -1;
      showEdge(box);
    });
  }

  /* The other language opens at what is being read: the section that was asked for until the reader moves on, and
     longer while its heading is in view; else the topmost one. */
  var isAsked = true, gestures = ["wheel", "touchmove", "keydown", "pointerdown"];
  gestures.forEach(function (what) { addEventListener(what, function () { isAsked = false; }, { passive: true, capture: true }); });
  addEventListener("hashchange", function () { isAsked = true; });
  function asked() { return location.hash ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null; }
  function placeInView() {
    var heading = asked(), found = "";
    if (heading && heading.tagName === "H2") {
      var at = heading.getBoundingClientRect();
      if (isAsked || (at.bottom > 0 && at.top < innerHeight)) { return location.hash; }
    }
    if (scrollY < 8) { return ""; }
    each("h2[id]", function (one) { if (one.getBoundingClientRect().top < innerHeight * 0.4) { found = "#" + one.id; } });
    return found;
  }
  function followPlace(language) {
    var bare = language.getAttribute("href"), waits = false;
    function follow() {
      waits = false;
      language.setAttribute("href", bare + placeInView());
    }
    function later() {
      if (!waits) { waits = true; requestAnimationFrame(follow); }
    }
    follow();
    addEventListener("hashchange", follow);
    addEventListener("scroll", later, { passive: true });
    root.addEventListener("drawn", follow);
  }

  /* Whatever came to stand above the asked-for section while the page was made must not push it away. */
  function backToPlace() {
    if (isAsked && asked()) { asked().scrollIntoView({ behavior: "instant" }); }
  }

  function start() {
    probe = document.createElement("span");
    probe.hidden = true;
    document.body.appendChild(probe);
    var theme = document.querySelector(".site-theme"), language = document.querySelector(".site-language");
    function said() { theme.setAttribute("aria-pressed", String(isDark())); }
    said();
    theme.addEventListener("click", function () {
      root.dataset.theme = isDark() ? "light" : "dark";
      try { localStorage.setItem(remembered, root.dataset.theme); } catch (refused) { /* it holds for this page */ }
      said();
      drawAll();
    });
    system.addEventListener("change", function () { said(); drawAll(); });
    if (language) { followPlace(language); }
    each(".csv", function (button) { button.addEventListener("click", function () { download(button); }); });
    each(".rest", function (button) {
      button.addEventListener("click", function () {
        var table = document.getElementById(button.getAttribute("aria-controls"));
        table.classList.add("whole");
        button.setAttribute("aria-expanded", "true");
        button.hidden = true;
        measureBoxes();
        table.parentNode.focus({ preventScroll: true }); /* the keyboard goes on where the button stood */
      });
    });
    startTips();
    startLists();
    startCards();
    startFolds(); /* before the charts: they are drawn on paper when their sections are open */
    each(".scroll", function (box) { box.addEventListener("scroll", function () { showEdge(box); }, { passive: true }); });
    addEventListener("resize", measureBoxes);
    startCharts().then(function () {
      measureBoxes();
      backToPlace();
      root.dispatchEvent(new Event("drawn"));
      root.dataset.drawn = "yes";
    });
  }
  document.addEventListener("DOMContentLoaded", start);
})();
