// The comparison: pairs of dances, two questions on each, and the answers as a CSV file.

import { Clock } from "./clock.js";
import { loadPage } from "./dance.js";
import { addPanels, arrange, element } from "./drawing.js";

const SIDES = ["A", "B"];
const COLUMNS = "study rater trial question a b mismatched answer".split(" ");
const MARGINS = 60; // CSS pixels: above, below and between the dances, the controls and the questions

class Comparison {
  constructor(page) {
    this.page = page;
    this.clock = new Clock(page.duration);
    this.questions = [...document.querySelectorAll(".question")];
    this.#restore();
    this.#connect();
  }

  /** Show the page, and begin to draw. */
  start() {
    element("message").remove();
    element("count").textContent = this.page.trials.length;
    if (this.answers.length) {
      this.showTrial(); // the page was closed before the end
    } else {
      this.#show("intro");
    }
    const step = () => {
      this.tick();
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  /** Take the rater and the answers that this browser has stored, or begin with none. */
  #restore() {
    this.store = `learn2dance-${this.page.study}`;
    let stored = null;
    try {
      stored = JSON.parse(localStorage.getItem(this.store));
    } catch {
      // stored by nobody, or storage is switched off: the answers last as long as the page
    }
    this.rater = stored?.rater ?? crypto.getRandomValues(new Uint32Array(1))[0].toString(16).padStart(8, "0");
    this.answers = stored?.answers ?? [];
  }

  #save() {
    try {
      localStorage.setItem(this.store, JSON.stringify({ rater: this.rater, answers: this.answers }));
    } catch {
      // storage is switched off
    }
  }

  #connect() {
    element("begin").addEventListener("click", () => this.showTrial());
    element("play").addEventListener("click", () => this.playOrPause());
    element("next").addEventListener("click", () => this.next());
    element("download").addEventListener("click", () => this.download());
    element("again").addEventListener("click", () => {
      localStorage.removeItem(this.store);
      window.location.reload();
    });
    for (const question of this.questions) {
      for (const button of question.querySelectorAll("button")) {
        button.addEventListener("click", () => this.choose(question, button));
      }
    }
    window.addEventListener("resize", () => this.layout());
    document.addEventListener("theme", () => this.draw());
    document.addEventListener("keydown", (event) => {
      if (event.key === " " && this.panels && !event.target.closest("button")) {
        event.preventDefault();
        this.playOrPause();
      }
    });
  }

  /** Show only these parts of the page. */
  #show(...parts) {
    for (const part of ["intro", "stage", "controls", "questions", "end"]) {
      element(part).hidden = !parts.includes(part);
    }
  }

  get trial() {
    return this.page.trials[this.answers.length];
  }

  /** Show the first pair that is not answered, or the end. */
  showTrial() {
    if (!this.trial) {
      this.panels = null;
      this.#show("end");
      return;
    }
    const dances = this.trial.dances.map((index, i) => ({ ...this.page.dances[index], title: SIDES[i] }));
    element("stage").replaceChildren();
    this.panels = addPanels(element("stage"), dances, this.page.constants);
    this.chosen = {};
    this.watched = false;
    this.#show("stage", "controls", "questions");
    this.clock.pause();
    this.clock.seek(this.trial.start);
    this.layout();
    this.update();
  }

  layout() {
    if (this.panels) {
      const below = element("controls").offsetHeight + element("questions").offsetHeight;
      arrange(element("stage"), this.panels, Math.max(window.innerHeight - below - MARGINS, 200));
      this.draw();
    }
  }

  playOrPause() {
    if (this.clock.playing) {
      this.clock.pause();
    } else {
      if (this.clock.now() >= this.#end) {
        this.clock.seek(this.trial.start);
      }
      this.clock.play();
    }
  }

  get #end() {
    return Math.min(this.trial.start + this.page.length, this.page.duration - 0.05);
  }

  tick() {
    if (!this.panels) {
      return;
    }
    if (this.clock.now() >= this.#end && (this.clock.playing || !this.watched)) {
      this.clock.pause();
      this.watched = true;
      this.update();
    }
    if (this.clock.playing || this.clock.now() !== this.drawn) {
      this.draw();
    }
    element("play").textContent = this.clock.playing ? "Pause" : this.watched ? "Play again" : "Play";
  }

  draw() {
    this.drawn = this.clock.now();
    this.panels?.forEach((panel, i) => {
      panel.draw(this.drawn + this.trial.shifted[i], { theme: document.documentElement.dataset.theme });
    });
  }

  choose(question, button) {
    this.chosen[question.dataset.question] = button.value;
    this.update();
  }

  /** Show what is chosen; the next pair can be asked for when both questions are answered and the dances were seen. */
  update() {
    for (const question of this.questions) {
      for (const button of question.querySelectorAll("button")) {
        button.setAttribute("aria-pressed", this.chosen[question.dataset.question] === button.value);
      }
    }
    element("next").disabled = !this.watched || this.questions.some(({ dataset }) => !this.chosen[dataset.question]);
    const hint = this.watched ? "" : ": please watch to the end";
    element("progress").textContent = `Pair ${this.answers.length + 1} of ${this.page.trials.length}${hint}`;
  }

  next() {
    this.answers.push(this.chosen);
    this.#save();
    this.showTrial();
  }

  /** Offer the answers as a file: one line for each question; dances are named in base64. */
  download() {
    const lines = [COLUMNS.join(",")];
    this.answers.forEach((answer, i) => {
      const { dances, shifted } = this.page.trials[i];
      const names = dances.map((index) => this.page.names[index]);
      const mismatched = SIDES[shifted.findIndex((shift) => shift !== 0)] ?? "";
      for (const [question, side] of Object.entries(answer)) {
        lines.push([this.page.study, this.rater, i + 1, question, ...names, mismatched, side].join(","));
      }
    });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([`${lines.join("\n")}\n`], { type: "text/csv" }));
    link.download = `answers_${this.page.study}_${this.rater}.csv`;
    link.click();
  }
}

new Comparison(await loadPage()).start();
