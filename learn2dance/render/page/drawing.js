// Drawing of a dance on a canvas, as learn2dance/render/animation.py draws it.

import { poseAt } from "./dance.js";

const CAPTION = 28; // CSS pixels: height of a title, as in page.css

/** Return the element with this id. */
export function element(id) {
  return document.getElementById(id);
}

/** Return the page's colour of this name, as three numbers, or as CSS writes it. */
export function pageColour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Mix two colours (#rrggbb): strength 0 gives the first, 1 the second. */
function mixed(ground, colour, strength) {
  const channels = [1, 3, 5].map((i) => {
    const [from, to] = [ground, colour].map((text) => parseInt(text.slice(i, i + 2), 16));
    return Math.round(from + (to - from) * strength);
  });
  return `rgb(${channels.join(" ")})`;
}

/** One dance on one canvas, with a fixed view that contains all of it. */
export class Panel {
  constructor(canvas, dance, constants) {
    this.canvas = canvas;
    this.dance = dance;
    this.constants = constants;
    this.context = canvas.getContext("2d", { alpha: false });
  }

  /** Fit the view into the canvas, whose size is in CSS pixels. */
  resize(width, height) {
    const { canvas, dance } = this;
    this.ratio = window.devicePixelRatio || 1;
    canvas.style.height = `${height}px`;
    canvas.width = Math.round(width * this.ratio);
    canvas.height = Math.round(height * this.ratio);
    this.scale = Math.min(canvas.width / dance.room[0], canvas.height / dance.room[1]);
    this.left = canvas.width / 2 - this.scale * dance.centre[0];
    this.top = canvas.height / 2 + this.scale * dance.centre[1];
  }

  /** Return the pixel of joint j of a pose. */
  point(pose, j, mirrored) {
    const x = this.left + this.scale * pose[2 * j];
    return [mirrored ? this.canvas.width - x : x, this.top - this.scale * pose[2 * j + 1]];
  }

  /** Draw the dance at a time, in seconds; options: theme, mirrored, trail, flash (with beats) and names. */
  draw(time, options) {
    const { context, canvas, dance } = this;
    const frame = time * dance.fps;
    const ground = pageColour("ground");
    context.fillStyle = ground;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.lineCap = "round";
    this.#floor(options.flash ? this.#glow(time) : 0);
    if (options.trail) {
      this.#trail(frame, options, ground);
    }
    const pose = poseAt(dance, frame);
    const unit = dance.body * this.scale;
    dance.pairs.forEach(([a, b], i) => {
      this.#line(pose, [a, b], dance.inset[i], dance.widths[i] * unit, options, dance.colours[options.theme][i]);
    });
    if (options.names) {
      this.#names(pose, options.mirrored, ground);
    }
  }

  /** Draw a line between two joints, or a dot if they are the same; nothing if one is not known. */
  #line(pose, [a, b], inset, width, options, colour) {
    const { context } = this;
    const [x, y] = this.point(pose, a, options.mirrored);
    const [u, v] = this.point(pose, b, options.mirrored);
    if (Number.isNaN(x + y + u + v)) {
      return;
    }
    context.beginPath();
    if (a === b) {
      context.fillStyle = colour;
      context.arc(x, y, Math.max(width, this.ratio) / 2, 0, 2 * Math.PI);
      context.fill();
      return;
    }
    context.strokeStyle = colour;
    context.lineWidth = Math.max(width, this.ratio);
    context.moveTo(x + inset * (u - x), y + inset * (v - y));
    context.lineTo(u - inset * (u - x), v - inset * (v - y));
    context.stroke();
  }

  /** Return the strength, 0 to 1, of the flash of the last beat. */
  #glow(time) {
    const last = this.dance.beats.findLast((beat) => beat <= time);
    return last === undefined ? 0 : Math.max(0, 1 - (time - last) / this.constants.flash);
  }

  #floor(glow) {
    const { context, canvas, dance } = this;
    if (dance.floor === null && glow === 0) {
      return;
    }
    const level = dance.floor === null ? 0.97 * canvas.height : this.top - this.scale * dance.floor;
    const line = (width, colour) => {
      context.fillStyle = colour;
      context.fillRect(0, level - width / 2, canvas.width, width);
    };
    if (dance.floor !== null) {
      context.fillStyle = pageColour("floor");
      context.fillRect(0, level, canvas.width, canvas.height);
      line(this.ratio, pageColour("edge"));
    }
    const small = 0.01 * Math.min(canvas.width, canvas.height);
    for (const [width, strength] of glow ? [[5, 0.1], [2.5, 0.25], [1, 1]] : []) {
      line(width * small, mixed(pageColour("ground"), pageColour("text"), strength * glow));
    }
  }

  /** Draw fading trails of wrists and ankles, oldest first. */
  #trail(frame, options, ground) {
    const { dance } = this;
    const steps = Math.max(2, Math.round(this.constants.trail * dance.fps));
    const { context } = this;
    for (let n = 1; n <= steps; n++) {
      const [from, to] = [frame - steps + n - 1, frame - steps + n];
      if (from < 0) {
        continue;
      }
      const age = n / steps;
      const [before, after] = [poseAt(dance, from), poseAt(dance, to)];
      dance.ends.forEach((j, i) => {
        const [start, end] = [this.point(before, j, options.mirrored), this.point(after, j, options.mirrored)];
        if (Number.isNaN(start[0] + start[1] + end[0] + end[1])) {
          return;
        }
        context.strokeStyle = mixed(ground, dance.tails[options.theme][i], 0.85 * age ** 1.5);
        context.lineWidth = Math.max(0.02 * age * dance.body * this.scale, this.ratio);
        context.beginPath();
        context.moveTo(...start);
        context.lineTo(...end);
        context.stroke();
      });
    }
  }

  #names(pose, mirrored, ground) {
    const { context, dance } = this;
    const size = 11 * this.ratio;
    context.font = `${size}px system-ui, sans-serif`;
    context.lineJoin = "round";
    context.lineWidth = 0.3 * size;
    context.strokeStyle = ground;
    context.fillStyle = pageColour("text");
    dance.joints.forEach((name, j) => {
      const [x, y] = this.point(pose, j, mirrored);
      if (!Number.isNaN(x + y)) {
        context.strokeText(name, x + 0.6 * size, y + 0.35 * size);
        context.fillText(name, x + 0.6 * size, y + 0.35 * size);
      }
    });
  }
}

/** Add a figure with a canvas, and a title if there is one, to the stage for each dance; return their panels. */
export function addPanels(stage, dances, constants) {
  return dances.map((dance) => {
    const figure = document.createElement("figure");
    const canvas = document.createElement("canvas");
    if (dance.title) {
      const caption = document.createElement("figcaption");
      caption.textContent = dance.title;
      figure.append(caption);
    }
    figure.append(canvas);
    stage.append(figure);
    return new Panel(canvas, dance, constants);
  });
}

/** Arrange panels in the number of columns that shows the dancers largest, in this height (CSS pixels). */
export function arrange(grid, panels, height) {
  const width = grid.clientWidth;
  const heading = panels.some(({ dance }) => dance.title) ? CAPTION : 0;
  const gap = parseFloat(getComputedStyle(grid).gap);
  let best = { size: -1 };
  for (let columns = 1; columns <= panels.length; columns++) {
    const rows = Math.ceil(panels.length / columns);
    const cell = [(width - gap * (columns - 1)) / columns, (height - gap * (rows - 1)) / rows - heading];
    const sizes = panels.map(({ dance }) => dance.body * Math.min(cell[0] / dance.room[0], cell[1] / dance.room[1]));
    const size = Math.min(...sizes);
    if (size > best.size) {
      best = { size, columns, cell };
    }
  }
  grid.style.gridTemplateColumns = `repeat(${best.columns}, minmax(0, 1fr))`;
  const tallest = Math.max(...panels.map(({ dance }) => dance.room[1] / dance.room[0]));
  for (const panel of panels) {
    panel.resize(Math.floor(best.cell[0]), Math.floor(Math.min(best.cell[1], best.cell[0] * tallest)));
  }
}
