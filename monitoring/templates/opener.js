(function () {
  "use strict";
  var details = document.getElementById("evidently-details"), frame = document.getElementById("evidently-frame");
  details.addEventListener("toggle", async function () {
    if (!details.open || frame.srcdoc) { return; }
    try {
      var packed = atob(document.getElementById("evidently-page").textContent.trim());
      var bytes = Uint8Array.from(packed, function (letter) { return letter.charCodeAt(0); });
      var stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
      var page = await new Response(stream).text();
      frame.addEventListener("load", function () { frame.dataset.filled = "yes"; });
      frame.srcdoc = page;
    } catch (error) {
      document.getElementById("evidently-old").hidden = false;
    }
  });
})();
