// The clock of the page.

import { bytesOf } from "./dance.js";

const SMOOTHED = 50; // milliseconds for which the song's clock is extrapolated, as some browsers update it at 25 Hz
const LAST = 0.02; // seconds before the end: as far as one can seek, since a seek to the end would end playing

/** A clock for dances without a song, with the part of an audio element's interface that `Clock` uses. */
class SilentSong {
  playbackRate = 1;
  paused = true;
  #time = 0;
  #since = 0;

  constructor(duration) {
    this.duration = duration;
  }

  get currentTime() {
    const passed = this.paused ? 0 : ((performance.now() - this.#since) / 1000) * this.playbackRate;
    return Math.min(this.#time + passed, this.duration);
  }

  set currentTime(time) {
    this.#time = time;
    this.#since = performance.now();
  }

  async play() {
    this.#since = performance.now();
    this.paused = false;
  }

  pause() {
    this.#time = this.currentTime;
    this.paused = true;
  }
}

/** The only clock of the page: the song's position, or without a song that of a `SilentSong`. */
export class Clock {
  #read = { time: 0, at: 0 };
  #pending = null; // where to seek when the seek before has ended: Chromium stalls if several overlap

  constructor(duration) {
    const encoded = document.getElementById("song");
    this.duration = duration;
    this.song = encoded ? document.querySelector("audio") : new SilentSong(duration);
    if (encoded) {
      this.song.src = URL.createObjectURL(new Blob([bytesOf(encoded.textContent)], { type: "audio/mp4" }));
      this.song.preservesPitch = true;
      this.song.addEventListener("seeked", () => {
        const time = this.#pending;
        this.#pending = null;
        if (time !== null) {
          this.seek(time);
        }
      });
    }
  }

  get playing() {
    return !this.song.paused && this.song.currentTime < this.duration;
  }

  /** Return the position in seconds; in a browser that updates the song's position rarely, extrapolated from it. */
  now() {
    const time = this.#pending ?? this.song.currentTime;
    const at = performance.now();
    if (time !== this.#read.time || this.song.paused || this.song.seeking) {
      this.#read = { time, at };
    }
    const passed = Math.min(at - this.#read.at, SMOOTHED) / 1000;
    return Math.min(time + passed * this.song.playbackRate, this.duration);
  }

  seek(time) {
    const position = Math.min(Math.max(time, 0), this.duration - LAST);
    if (this.song.seeking) {
      this.#pending = position;
    } else {
      this.song.currentTime = position;
    }
  }

  /** Return whether there is nothing left to play. */
  get atEnd() {
    return this.now() >= this.duration - 1.1 * LAST;
  }

  async play() {
    try {
      await this.song.play();
    } catch (error) {
      if (error.name !== "AbortError" && error.name !== "NotAllowedError") {
        throw error; // those two: paused before the song began, or the browser waits for a click
      }
    }
  }

  pause() {
    this.song.pause();
  }

  setSpeed(speed) {
    const time = this.song.currentTime;
    this.song.playbackRate = speed;
    if (this.song instanceof SilentSong) {
      this.song.currentTime = time;
    }
  }
}
