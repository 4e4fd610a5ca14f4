// Keyboard shortcuts: an element with data-key="i" is activated by that key, one with data-key="g s" by the two in turn.
(function () {
  "use strict";
  var first = "";
  function writes(element) {
    return element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName);
  }
  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat) return;
    if (event.key === "Escape" && writes(event.target)) { event.target.blur(); return; }
    if (document.body.dataset.shortcuts !== "on" || writes(event.target)) { first = ""; return; }
    var pressed = (first ? first + " " : "") + event.key;
    first = "";
    var found = Array.prototype.find.call(document.querySelectorAll("[data-key]"), function (element) {
      return element.dataset.key === pressed && !element.disabled;
    });
    if (found) {
      event.preventDefault();
      if (writes(found)) { found.focus(); } else { found.click(); }
    } else if (event.key === "g") {
      first = "g";
    }
  });
  // A form is sent once, also when a key is pressed twice.
  document.addEventListener("submit", function (event) {
    if (event.target.dataset.sent) { event.preventDefault(); return; }
    event.target.dataset.sent = "yes";
  });
  window.addEventListener("pageshow", function () {
    document.querySelectorAll("form").forEach(function (form) { delete form.dataset.sent; });
  });
})();
