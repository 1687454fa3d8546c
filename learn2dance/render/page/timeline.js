// The timeline: position, beats, bars, phrases and the loop; a pointer on it seeks.

import { pageColour } from "./drawing.js";

const BEAT_SPACE = 5; // CSS pixels: marks that would be nearer to each other are left out

export class Timeline {
  /** Draw into the canvas of an element; call seek(seconds) where a pointer is pressed or moved. */
  constructor(bar, page, seek) {
    this.canvas = bar.querySelector("canvas");
    this.duration = page.duration;
    this.marks = page.dances.find((dance) => dance.beats.length) ?? page.dances[0];
    bar.setAttribute("aria-valuemax", page.duration.toFixed(2));
    const follow = (event) => {
      const box = bar.getBoundingClientRect();
      seek(((event.clientX - box.left) / box.width) * this.duration);
    };
    bar.addEventListener("pointerdown", (event) => {
      bar.setPointerCapture(event.pointerId);
      follow(event);
    });
    bar.addEventListener("pointermove", (event) => bar.hasPointerCapture(event.pointerId) && follow(event));
  }

  resize() {
    const box = this.canvas.parentElement.getBoundingClientRect();
    this.ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(box.width * this.ratio);
    this.canvas.height = Math.round(box.height * this.ratio);
  }

  /** Draw the position, in seconds, and the section that is looped. */
  draw(time, loop) {
    const { canvas, ratio } = this;
    const context = canvas.getContext("2d");
    const x = (seconds) => (seconds / this.duration) * canvas.width;
    const middle = canvas.height / 2;
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (loop.start !== null) {
      context.fillStyle = pageColour("floor");
      const end = loop.end ?? Math.max(time, loop.start);
      context.fillRect(x(loop.start), 0, Math.max(x(end) - x(loop.start), 2 * ratio), canvas.height);
    }
    const levels = [
      [this.marks.beats, 5, 0.3],
      [this.marks.bars, 9, 0.5],
      [this.marks.phrases, 16, 0.8],
    ];
    context.fillStyle = pageColour("text");
    for (const [times, height, opacity] of levels) {
      if (times.length < 2 || x(times[1] - times[0]) >= BEAT_SPACE * ratio) {
        context.globalAlpha = opacity;
        for (const second of times) {
          context.fillRect(Math.round(x(second)), middle - 2 * ratio - height * ratio, ratio, height * ratio);
        }
      }
    }
    context.globalAlpha = 1;
    context.fillStyle = pageColour("edge");
    context.fillRect(0, middle, canvas.width, 3 * ratio);
    context.fillStyle = pageColour("right");
    context.fillRect(0, middle, x(time), 3 * ratio);
    context.beginPath();
    const radius = 6 * ratio;
    context.arc(Math.min(Math.max(x(time), radius), canvas.width - radius), middle + 1.5 * ratio, radius, 0, 7);
    context.fill();
  }
}
