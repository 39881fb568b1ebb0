"use strict";
const $ = (id) => document.getElementById(id);
const tabs = [...document.querySelectorAll("[role=tab]")];
const shown = new Map();

function select(tab) {
  for (const each of tabs) {
    const chosen = each === tab;
    each.setAttribute("aria-selected", chosen);
    each.tabIndex = chosen ? 0 : -1;
    $(each.getAttribute("aria-controls")).hidden = !chosen;
  }
  tab.scrollIntoView({ block: "nearest", inline: "nearest" });
  shown.get(tab.getAttribute("aria-controls"))?.();
}

for (const [index, tab] of tabs.entries()) {
  tab.addEventListener("click", () => select(tab));
  tab.addEventListener("keydown", (event) => {
    const count = tabs.length;
    const next = { ArrowRight: (index + 1) % count, ArrowLeft: (index + count - 1) % count, Home: 0, End: count - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    tabs[next].focus();
    select(tabs[next]);
  });
}

$("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  root.dispatchEvent(new Event("themechange"));
});

async function numbers(text, Type) {
  const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Type(await new Response(stream).arrayBuffer());
}

class Raster {
  GUTTER = 170;
  NARROW = 640;
  WIDEST = 4; // pixels of a step below which the view follows the cursor instead of showing all steps

  constructor(data) {
    this.data = data;
    this.code = 0;
    this.picture = 0;
    this.step = 0;
    this.timer = null;
    this.loaded = new Map();
    this.canvas = $("spikes");
    this.slider = $("step");
    this.choices($("codes"), data.codes.map((each) => ({ text: each.code })), (index) => this.choose(index, this.picture));
    this.choices($("pictures"), data.pictures.map((each) => ({ text: each.caption, png: each.png })), (index) => this.choose(this.code, index));
    this.slider.addEventListener("input", () => this.go(Number(this.slider.value)));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    $("play").addEventListener("click", () => (this.timer ? this.stop() : this.play()));
    new ResizeObserver(() => this.draw()).observe($("stage"));
    document.documentElement.addEventListener("themechange", () => this.draw());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  key(event) {
    const { steps, window } = this.shown ?? {};
    if (event.key === " ") this.timer ? this.stop() : this.play();
    else {
      const next = { ArrowLeft: this.step - 1, ArrowRight: this.step + 1, PageUp: this.step - window, PageDown: this.step + window, Home: 0, End: steps }[event.key];
      if (next === undefined || !this.shown) return;
      this.go(Math.max(0, Math.min(steps, next)));
    }
    event.preventDefault();
  }

  choices(place, items, chosen) {
    for (const [index, item] of items.entries()) {
      const button = document.createElement("button");
      button.type = "button";
      if (item.png) {
        const image = new Image();
        image.src = item.png;
        image.alt = item.text;
        button.title = item.text;
        button.append(image);
      } else button.textContent = item.text;
      button.addEventListener("click", () => chosen(index));
      place.append(button);
    }
  }

  async choose(code, picture) {
    const share = this.shown ? this.step / this.shown.steps : 1;
    this.code = code;
    this.picture = picture;
    for (const [place, index] of [["codes", code], ["pictures", picture]])
      [...$(place).children].forEach((each, i) => each.setAttribute("aria-pressed", i === index));
    const key = `${code} ${picture}`;
    if (!this.loaded.has(key)) this.loaded.set(key, await this.unpack(this.data.codes[code], picture));
    if (this.code !== code || this.picture !== picture) return;
    this.shown = this.loaded.get(key);
    this.slider.max = this.shown.steps;
    this.go(Math.round(share * this.shown.steps));
  }

  async unpack(found, picture) {
    const trains = await numbers(found.trains[picture], Int16Array);
    const sent = await numbers(found.sent[picture], Uint32Array);
    const answer = found.answer && { ...found.answer, values: await numbers(found.answer.values[picture], Float32Array) };
    let at = 0, count = 0;
    const rows = found.rows.map((each) => {
      const own = trains.subarray(at, (at += each.shown * each.window));
      const steps = sent.subarray(count, (count += each.window));
      const most = own.reduce((best, value) => Math.max(best, Math.abs(value)), 1);
      return { ...each, trains: own, sent: steps, most };
    });
    return { code: found.code, steps: found.steps, window: found.window, rows, answer };
  }

  go(step) {
    this.step = step;
    this.slider.value = step;
    const { window, steps } = this.shown;
    const slot = Math.max(0, Math.ceil(step / window) - 1);
    $("when").textContent = `step ${step} of ${steps}` + (window < steps ? `, window ${slot}` : "");
    this.draw();
    this.tell();
  }

  play() {
    if (this.step >= this.shown.steps) this.go(0);
    const stride = Math.max(1, Math.round(this.shown.steps / 400));
    this.timer = setInterval(() => {
      this.go(Math.min(this.shown.steps, this.step + stride));
      if (this.step >= this.shown.steps) this.stop();
    }, Math.max(30, Math.min(250, 8000 / this.shown.steps)));
    $("play").textContent = "\u275a\u275a";
    $("play").setAttribute("aria-label", "Pause");
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    $("play").textContent = "\u25b6";
    $("play").setAttribute("aria-label", "Play");
  }

  draw() {
    const width = this.canvas.parentElement && this.canvas.clientWidth;
    if (!this.shown || !width) return;
    const { rows, steps, window: wide } = this.shown;
    const beside = width >= this.NARROW, left = beside ? this.GUTTER : 0;
    const size = rows.length > 12 ? 1 : rows.length > 6 ? 2 : 3;
    const label = beside ? 0 : 17;
    const heights = rows.map((each) => Math.max(beside ? 32 : 8, each.shown * size) + label);
    const height = heights.reduce((sum, each) => sum + each + 6, 0) + 20;
    const ratio = devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
      this.canvas.style.height = `${height}px`;
    }
    const pen = this.canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const seen = Math.min(steps, Math.max(8, Math.floor((width - left) / this.WIDEST)));
    const first = Math.min(Math.max(0, this.step - Math.floor(seen / 2)), steps - seen);
    const pitch = (width - left) / seen;
    const view = { pen, left, first, last: first + seen, pitch, size, plus: colour("--c0"), minus: colour("--c1") };
    pen.font = "12px system-ui, sans-serif";
    pen.strokeStyle = colour("--line");
    pen.lineWidth = 0.5;
    let top = 0;
    rows.forEach((each, index) => {
      pen.globalAlpha = 1;
      pen.fillStyle = colour("--ink");
      const name = each.name.length > 24 ? each.name.slice(0, 23) + "\u2026" : each.name;
      const said = `${this.sentSoFar(each).toLocaleString("en")} spikes`;
      pen.fillText(name, 0, top + 12);
      pen.fillStyle = colour("--soft");
      if (beside) pen.fillText(said, 0, top + 27);
      else { pen.textAlign = "right"; pen.fillText(said, width, top + 12); pen.textAlign = "left"; }
      pen.fillStyle = colour("--raised");
      pen.fillRect(left, top + label, width - left, heights[index] - label);
      for (let step = Math.ceil(first / wide) * wide; step <= view.last && wide * pitch > 5; step += wide) {
        const x = left + (step - first) * pitch;
        pen.beginPath(); pen.moveTo(x, top + label); pen.lineTo(x, top + heights[index]); pen.stroke();
      }
      this.drawTrains(view, each, top + label);
      pen.globalAlpha = 1;
      pen.fillStyle = colour("--accent");
      pen.fillRect(left + (this.step - first) * pitch - 0.75, top + label, 1.5, heights[index] - label);
      top += heights[index] + 6;
    });
    pen.globalAlpha = 1;
    pen.fillStyle = colour("--soft");
    pen.fillText(`step ${first}`, left, height - 4);
    pen.textAlign = "right";
    pen.fillText(`${view.last}`, width, height - 4);
    pen.textAlign = "left";
  }

  drawTrains({ pen, left, first, last, pitch, size, plus, minus }, each, top) {
    const from = Math.max(0, first - each.start), to = Math.min(each.window, last - each.start);
    const wide = Math.max(1, pitch - (pitch > 4 ? 1 : 0));
    for (let step = from; step < to; step++) {
      const x = left + (each.start + step - first) * pitch;
      const past = each.start + step < this.step ? 1 : 0.16;
      for (let row = 0; row < each.shown; row++) {
        const value = each.trains[row * each.window + step];
        if (!value) continue;
        pen.fillStyle = value > 0 ? plus : minus;
        pen.globalAlpha = past * (each.most > 1 ? 0.2 + (0.8 * Math.abs(value)) / each.most : 1);
        pen.fillRect(x, top + row * size, wide, size);
      }
    }
  }

  sentSoFar(each) {
    let sum = 0;
    for (let step = 0; step < each.window && each.start + step < this.step; step++) sum += each.sent[step];
    return sum;
  }

  tell() {
    const { answer, rows } = this.shown;
    const total = rows.reduce((sum, each) => sum + this.sentSoFar(each), 0).toLocaleString("en");
    const caption = this.data.pictures[this.picture].caption;
    const list = $("answer");
    list.replaceChildren();
    const at = answer && this.step - answer.start - 1;
    if (!answer || at < 0) {
      const why = answer ? `It receives its first spikes in step ${answer.start + 1}.` : "The readout of this network is not shown.";
      $("state").textContent = `${caption}. ${total} spikes so far. ${why}`;
      return;
    }
    $("state").textContent = `${caption}. ${total} spikes so far. As it stands, in real units:`;
    const count = answer.outputs, offset = Math.min(at, answer.values.length / count - 1) * count;
    const values = [...answer.values.subarray(offset, offset + count)].map((value, index) => ({ value, index }));
    const best = values.reduce((a, b) => (b.value > a.value ? b : a));
    const most = values.reduce((size, each) => Math.max(size, Math.abs(each.value)), 1e-12);
    const told = count > 12 ? [...values].sort((a, b) => b.value - a.value).slice(0, 12) : values;
    for (const { value, index } of told) {
      const line = document.createElement("li"), bar = document.createElement("i"), cell = document.createElement("div");
      line.className = index === best.index ? "best" : "";
      bar.className = value < 0 ? "minus" : "";
      bar.style.width = `${(100 * Math.abs(value)) / most}%`;
      cell.append(bar);
      const name = document.createElement("span"), figure = document.createElement("span");
      name.textContent = index;
      figure.textContent = value.toPrecision(4);
      line.append(name, cell, figure);
      list.append(line);
    }
  }
}

if ($("data")) {
  let raster = null;
  shown.set("raster", () => {
    if (raster) return raster.draw();
    raster = new Raster(JSON.parse($("data").textContent));
    raster.choose(0, 0);
  });
}

const asked = tabs.find((tab) => tab.id === `tab-${location.hash.slice(1)}`);
if (asked) select(asked);
