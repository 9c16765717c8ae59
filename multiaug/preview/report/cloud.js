// A small 3-D view of clouds of points: both of a pair turn together.
(() => {
  "use strict";
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const start = () => ({ yaw: 0, pitch: 0, zoom: 1 });

  function view(canvas) {
    const points = new Int16Array(bytes(canvas.dataset.points).buffer);
    const colours = bytes(canvas.dataset.colours);
    const count = Number(canvas.dataset.count);
    const context = canvas.getContext("2d");
    const { width, height } = canvas;
    const image = context.createImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    const depth = new Float32Array(width * height);
    const background = 0xff161210; // little-endian: alpha, blue, green, red

    function draw({ yaw, pitch, zoom }) {
      pixels.fill(background);
      depth.fill(Infinity);
      const [cy, sy, cp, sp] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
      const scale = 1.5 / 32767;
      for (let i = 0; i < count; i++) {
        const [x, y, z] = [points[3 * i] * scale, points[3 * i + 1] * scale, points[3 * i + 2] * scale];
        const u = cy * x + sy * z;
        const w = cy * z - sy * x;
        const v = cp * y - sp * w;
        const d = cp * w + sp * y + 3.2 / zoom;
        if (d < 0.1) continue;
        const f = (height * 1.5) / d;
        const column = Math.round(width / 2 + f * u);
        const line = Math.round(height / 2 + f * v);
        const size = zoom > 2 ? 3 : 2;
        for (let r = line; r < line + size; r++) {
          for (let c = column; c < column + size; c++) {
            if (r < 0 || c < 0 || r >= height || c >= width) continue;
            const at = r * width + c;
            if (d >= depth[at]) continue;
            depth[at] = d;
            pixels[at] = 0xff000000 | (colours[3 * i + 2] << 16) | (colours[3 * i + 1] << 8) | colours[3 * i];
          }
        }
      }
      context.putImageData(image, 0, 0);
    }
    return draw;
  }

  for (const pair of document.querySelectorAll(".clouds")) {
    const canvases = [...pair.querySelectorAll("canvas")];
    const views = canvases.map(view);
    let state = { yaw: 0.45, pitch: -0.25, zoom: 1.5 };
    let waiting = false;
    const show = () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; views.forEach((draw) => draw(state)); });
    };
    const limit = (value, most) => Math.max(-most, Math.min(most, value));
    const turn = (yaw, pitch) => { state.yaw += yaw; state.pitch = limit(state.pitch + pitch, 1.5); show(); };
    const zoom = (factor) => { state.zoom = Math.max(0.4, Math.min(6, state.zoom * factor)); show(); };
    const keys = {
      ArrowLeft: () => turn(-0.1, 0), ArrowRight: () => turn(0.1, 0),
      ArrowUp: () => turn(0, -0.1), ArrowDown: () => turn(0, 0.1),
      "+": () => zoom(1.15), "=": () => zoom(1.15), "-": () => zoom(1 / 1.15),
      0: () => { state = start(); show(); },
    };
    for (const canvas of canvases) {
      canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
      canvas.addEventListener("pointermove", (event) => {
        if (event.buttons) turn(event.movementX * 0.01, event.movementY * 0.01);
      });
      canvas.addEventListener("wheel", (event) => {
        if (document.activeElement !== canvas) return; // the page scrolls until the view is chosen
        event.preventDefault();
        zoom(event.deltaY < 0 ? 1.1 : 1 / 1.1);
      }, { passive: false });
      canvas.addEventListener("keydown", (event) => {
        const act = keys[event.key];
        if (act && !event.ctrlKey && !event.metaKey && !event.altKey) { event.preventDefault(); act(); }
      });
    }
    show();
  }
})();
