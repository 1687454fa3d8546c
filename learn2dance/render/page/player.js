// The player: dances side by side in step, with a timeline, controls and keys.

import { Clock } from "./clock.js";
import { loadPage } from "./dance.js";
import { addPanels, arrange, element } from "./drawing.js";
import { switchTheme } from "./theme.js";
import { Timeline } from "./timeline.js";

const SPEEDS = [0.25, 0.5, 0.75, 1, 1.25, 1.5];
const MARGINS = 64; // CSS pixels: above, below and between the dances and the controls

/** Write seconds as minutes and seconds. */
function clockText(seconds) {
  const tenths = Math.floor(10 * seconds + 1e-6);
  return `${Math.floor(tenths / 600)}:${String(Math.floor(tenths / 10) % 60).padStart(2, "0")}.${tenths % 10}`;
}

class Player {
  constructor(page) {
    this.page = page;
    this.clock = new Clock(page.duration);
    this.panels = addPanels(element("stage"), page.dances, page.constants);
    this.timeline = new Timeline(element("timeline"), page, (time) => this.seek(time));
    this.options = { mirror: false, trail: page.options.trail, flash: page.options.beats, names: false };
    this.loop = { start: null, end: null };
    for (const speed of SPEEDS) {
      element("speed").append(new Option(`${speed}×`, speed));
    }
    this.setSpeed(1);
    this.#connect();
  }

  /** Show the page, and begin to draw. */
  start() {
    for (const part of document.querySelectorAll("[hidden]")) {
      part.hidden = false;
    }
    element("message").remove();
    this.show();
    this.tick(); // the controls have their size with this
    this.layout();
    const step = () => {
      this.tick();
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  /** Connect buttons, keys and events of the window to the player. */
  #connect() {
    element("play").addEventListener("click", () => this.playOrPause());
    element("loop").addEventListener("click", () => this.cycleLoop());
    element("help").addEventListener("click", () => document.querySelector("dialog").showModal());
    element("theme").addEventListener("click", switchTheme);
    element("speed").addEventListener("change", (event) => this.setSpeed(Number(event.target.value)));
    for (const name of Object.keys(this.options)) {
      element(name).addEventListener("click", () => this.toggle(name));
    }
    if (!this.page.dances.some((dance) => dance.beats.length)) {
      element("flash").remove();
    }
    document.addEventListener("theme", () => this.show());
    window.addEventListener("resize", () => this.layout());
    document.addEventListener("click", ({ detail, target }) => detail && target.blur?.()); // space is for Play then
    this.#keys();
  }

  #keys() {
    const move = (seconds) => () => this.seek(this.clock.now() + seconds);
    const frame = 1 / this.page.dances[0].fps;
    const keys = [
      ["Space", "play or pause", { " ": () => this.playOrPause(), k: () => this.playOrPause() }],
      ["← →", "back or forward by 2 seconds", { ArrowLeft: move(-2), ArrowRight: move(2) }],
      ["Shift ← →", "by 10 seconds", { "Shift+ArrowLeft": move(-10), "Shift+ArrowRight": move(10) }],
      [", .", "by one frame", { ",": move(-frame), ".": move(frame) }],
      ["Home End", "to the beginning or the end", { Home: move(-Infinity), End: move(Infinity) }],
      ["↑ ↓", "faster or slower", { ArrowUp: () => this.changeSpeed(1), ArrowDown: () => this.changeSpeed(-1) }],
      ["L", "loop: set its start, its end, no loop", { l: () => this.cycleLoop() }],
      ["[ ]", "start or end of the loop", { "[": () => this.setLoop("start"), "]": () => this.setLoop("end") }],
      ["M", "mirror", { m: () => this.toggle("mirror") }],
      ["T", "trail of wrists and ankles", { t: () => this.toggle("trail") }],
      ["B", "flash on the beats", { b: () => this.toggle("flash") }],
      ["J", "names of joints", { j: () => this.toggle("names") }],
      ["D", "light or dark", { d: switchTheme }],
      ["?", "this list", { "?": () => document.querySelector("dialog").showModal() }],
    ];
    const actions = Object.assign({}, ...keys.map((key) => key[2]));
    for (const [key, text] of keys) {
      const [term, about] = ["dt", "dd"].map((tag) => document.createElement(tag));
      [term.textContent, about.textContent] = [key, text];
      element("keys").append(term, about);
    }
    document.addEventListener("keydown", (event) => {
      const named = event.key.length > 1 && event.shiftKey ? `Shift+${event.key}` : event.key;
      const action = actions[named] ?? actions[named.toLowerCase()];
      const taken = event.target.closest("select, dialog") || (event.target.closest("button") && event.key === " ");
      if (action && !taken && !event.ctrlKey && !event.altKey && !event.metaKey) {
        event.preventDefault();
        action();
      }
    });
  }

  playOrPause() {
    if (this.clock.playing) {
      this.clock.pause();
      return;
    }
    if (this.clock.atEnd) {
      this.clock.seek(this.loop.start ?? 0);
    }
    this.clock.play();
  }

  seek(time) {
    this.clock.seek(time);
  }

  setSpeed(speed) {
    this.clock.setSpeed(speed);
    element("speed").value = speed;
  }

  /** Take the next faster (1) or slower (-1) of the speeds. */
  changeSpeed(by) {
    const index = SPEEDS.indexOf(Number(element("speed").value)) + by;
    this.setSpeed(SPEEDS[Math.min(Math.max(index, 0), SPEEDS.length - 1)]);
  }

  toggle(name) {
    if (element(name)) {
      this.options[name] = !this.options[name];
      this.show();
    }
  }

  /** Set the start of the loop here, then its end, then remove it. */
  cycleLoop() {
    if (this.loop.start === null) {
      this.setLoop("start");
    } else if (this.loop.end === null) {
      this.setLoop("end");
    } else {
      this.loop = { start: null, end: null };
      this.show();
    }
  }

  /** Set an end of the loop here; it has at least a tenth of a second. */
  setLoop(which) {
    const loop = { ...this.loop, [which]: Math.min(this.clock.now(), this.page.duration - 0.05) };
    loop.start ??= 0;
    if (loop.end !== null && loop.end < loop.start + 0.1) {
      loop.end = null;
    }
    this.loop = loop;
    this.show();
  }

  layout() {
    const stage = element("stage");
    const below = element("timeline").offsetHeight + document.querySelector(".controls").offsetHeight;
    const height = Math.max(window.innerHeight - below - MARGINS, 240);
    arrange(stage, this.panels, height);
    this.timeline.resize();
    this.changed = true;
  }

  /** Show the state of the player on its buttons, and draw anew. */
  show() {
    for (const [name, on] of Object.entries(this.options)) {
      element(name)?.setAttribute("aria-pressed", on);
    }
    const { start, end } = this.loop;
    element("loop").textContent = start === null ? "Loop" : end === null ? "Set end" : "No loop";
    element("loop").setAttribute("aria-pressed", start !== null);
    element("theme").textContent = document.documentElement.dataset.theme === "light" ? "Dark" : "Light";
    this.changed = true;
  }

  /** Draw if anything has changed. */
  tick() {
    let time = this.clock.now();
    if (this.loop.end !== null && time >= this.loop.end && this.clock.playing) {
      this.clock.seek(this.loop.start);
      time = this.loop.start;
    }
    if (time === this.drawn && !this.changed && this.wasPlaying === this.clock.playing) {
      return;
    }
    [this.drawn, this.changed, this.wasPlaying] = [time, false, this.clock.playing];
    const { mirror, trail, flash, names } = this.options;
    const options = { theme: document.documentElement.dataset.theme, mirrored: mirror, trail, flash, names };
    for (const panel of this.panels) {
      panel.draw(time, options);
    }
    this.timeline.draw(time, this.loop);
    element("play").textContent = this.wasPlaying ? "Pause" : "Play";
    const text = `${clockText(time)} / ${clockText(this.page.duration)}`;
    if (element("time").textContent !== text) {
      element("time").textContent = text;
      element("timeline").setAttribute("aria-valuenow", time.toFixed(2));
      element("timeline").setAttribute("aria-valuetext", clockText(time));
    }
  }
}

new Player(await loadPage()).start();
