// The output of a task as it comes. The server says which lines a step has from some line on; here they become elements, in
// blocks that the browser lays out only when they are near. At no time is there more work in a frame than fits into it.
"use strict";
(() => {
	const blockLines = 50;
	const mostLines = 150000; // of a step; the oldest go
	const foldedFrom = 30; // a step that succeeded is folded when it is longer
	const budget = 12; // milliseconds of work in a frame
	const breath = 500; // milliseconds after which the end is shown though more is to be done
	const lineHeight = 20; // pixels, as in output.css

	const looks = { succeeded: "good", failed: "bad", running: "now", canceled: "over", skipped: "over", pending: "waits" };
	const make = (name, className, text) => {
		const element = document.createElement(name);
		if (className) element.className = className;
		if (text !== undefined) element.textContent = text;
		return element;
	};
	const took = (from, to) => {
		const ms = Math.max(0, Date.parse(to) - Date.parse(from));
		const s = Math.floor(ms / 1000);
		if (ms < 1000) return ms + "ms";
		if (ms < 10000) return (ms / 1000).toFixed(1) + "s";
		if (s < 60) return s + "s";
		if (s < 3600) return Math.floor(s / 60) + "m " + (s % 60) + "s";
		return Math.floor(s / 3600) + "h " + (Math.floor(s / 60) % 60) + "m";
	};

	// Step is one step's lines, numbered from 0. Block k has those from k * blockLines on.
	class Step {
		constructor(viewer, number) {
			this.viewer = viewer;
			this.number = number;
			this.first = this.end = 0;
			this.blocks = [];
			this.folded = false;
			this.element = make("section", "output-step");
			this.element.id = "s" + (number + 1);
			const heading = make("h3");
			this.button = make("button");
			this.button.type = "button";
			this.button.setAttribute("aria-expanded", "true");
			this.button.addEventListener("click", () => { this.touched = true; this.fold(!this.folded); });
			heading.append(this.button);
			this.lines = make("div", "output-lines");
			this.missing = make("p", "output-missing quiet");
			this.missing.hidden = true;
			this.element.append(heading, this.missing, this.lines);
			this.tell({ name: "", state: "running" });
		}

		// tell shows where the step stands.
		tell(step) {
			this.state = step.state;
			const name = make("span", "output-name", step.name || "Step " + (this.number + 1));
			const state = make("span", "state state-" + (looks[step.state] || "waits"), step.state);
			const parts = [name, state];
			if (step.background) parts.push(make("span", "quiet", "in the background"));
			if (step.exit_code) parts.push(make("span", "quiet", "exit code " + step.exit_code));
			if (step.started_at && step.ended_at) parts.push(make("span", "quiet", took(step.started_at, step.ended_at)));
			else if (step.started_at && step.state === "running") {
				const time = make("time", "quiet");
				time.dateTime = step.started_at;
				time.dataset.lasting = "";
				parts.push(time);
			}
			if (step.detail) parts.push(make("span", "quiet", step.detail));
			this.button.replaceChildren(...parts);
		}

		fold(is) {
			this.folded = is;
			this.lines.hidden = is;
			this.button.setAttribute("aria-expanded", String(!is));
		}

		line(n) {
			if (n < this.first || n >= this.end) return null;
			const block = this.blocks[Math.floor(n / blockLines) - Math.floor(this.first / blockLines)];
			return block.element.children[n - block.first];
		}

		// place says which line an element is.
		place(element) {
			const block = this.blocks.find((one) => one.element === element.parentElement);
			return block ? block.first + Array.prototype.indexOf.call(block.element.children, element) : -1;
		}

		// cut takes away the lines from one on.
		cut(at) {
			while (this.blocks.length && this.blocks.at(-1).first >= at) this.blocks.pop().element.remove();
			const last = this.blocks.at(-1);
			if (last) {
				while (last.element.children.length > at - last.first) last.element.lastChild.remove();
				this.measure(last);
			}
			this.end = at;
		}

		clear(at) {
			this.lines.replaceChildren();
			this.blocks = [];
			this.first = this.end = at;
		}

		// add appends lines up to the end of a block, and says how many there was room for.
		add(lines, from) {
			let block = this.blocks.at(-1);
			if (!block || this.end % blockLines === 0) {
				block = { first: this.end, element: make("div") };
				block.element.style.setProperty("--from", this.end);
				this.blocks.push(block);
				this.lines.append(block.element);
			}
			const count = Math.min(lines.length - from, blockLines - (this.end % blockLines));
			block.element.insertAdjacentHTML("beforeend", "<div>" + lines.slice(from, from + count).join("</div><div>") + "</div>");
			this.end += count;
			this.measure(block);
			while (this.end - this.first > mostLines) {
				this.blocks.shift().element.remove();
				this.first = this.blocks[0].first;
			}
			return count;
		}

		// measure says how high a block is that was not laid out yet.
		measure(block) {
			block.element.style.containIntrinsicBlockSize = "auto " + block.element.children.length * lineHeight + "px";
		}

		tellMissing() {
			this.missing.hidden = this.first === 0;
			this.missing.textContent = `${this.first.toLocaleString("en")} lines before these are in the raw output only.`;
		}
	}

	// Viewer is one element that the server made, with its connection.
	class Viewer {
		constructor(element) {
			this.element = element;
			this.log = element.querySelector(".output-log");
			this.steps = new Map();
			this.work = []; // lines that came and are not shown yet
			this.after = "";
			this.delay = 1000;
			this.live = true;
			this.following = !location.hash.startsWith("#s");
			this.unseen = 0;
			this.top = 0;
			this.log.hidden = false;
			this.part("[data-wrap]").hidden = this.part("[data-full]").hidden = false;
			this.log.addEventListener("scroll", () => this.scrolled(), { passive: true });
			this.log.addEventListener("click", (event) => this.clicked(event));
			this.part("[data-end]").addEventListener("click", () => this.follow());
			this.part("[data-failed]").addEventListener("click", () => this.showFailed());
			this.part("[data-wrap]").addEventListener("click", (event) => this.toggle(event.currentTarget, "output-unwrapped", false));
			this.part("[data-full]").addEventListener("click", (event) => this.toggle(event.currentTarget, "output-full", true));
			element.addEventListener("keydown", (event) => this.pressed(event));
			this.search = new globalThis.OutputSearch(this);
			this.aim();
			this.open();
		}

		part(selector) { return this.element.querySelector(selector); }

		open() {
			clearTimeout(this.retry);
			if (this.events || this.over) return;
			const events = new EventSource(this.element.dataset.follow + (this.after ? "&after=" + encodeURIComponent(this.after) : ""));
			this.events = events;
			events.onopen = () => { this.delay = 1000; };
			events.onerror = () => {
				this.close();
				this.retry = setTimeout(() => this.open(), this.delay);
				this.delay = Math.min(this.delay * 2, 15000);
			};
			events.addEventListener("steps", (event) => this.plan({ standing: JSON.parse(event.data) }));
			events.addEventListener("output", (event) => this.receive(event.data));
			events.addEventListener("reset", () => { this.after = ""; this.plan({ reset: true }); });
			events.addEventListener("end", () => { this.over = true; this.close(); this.plan({ end: true }); });
		}

		close() {
			clearTimeout(this.retry);
			if (this.events) this.events.close();
			this.events = null;
		}

		receive(data) {
			const lines = data.split("\n");
			const head = JSON.parse(lines[0]);
			let from = 1;
			this.after = head.after;
			if (head.note) this.plan({ note: head.note });
			for (const { step, at, lines: count } of head.steps) {
				this.plan({ step, at, lines: lines.slice(from, from + count) });
				from += count;
			}
		}

		// plan has something done in the next frames, in order.
		plan(item) {
			this.work.push(item);
			if (!this.planned) this.planned = requestAnimationFrame(() => this.frame());
		}

		frame() {
			this.planned = 0;
			const until = performance.now() + budget;
			while (this.work.length && performance.now() < until) {
				if (this.apply(this.work[0])) this.work.shift();
			}
			// While much comes at once, the end is not laid out in each frame: it would be gone in the next.
			if (this.following && this.live && (this.work.length < 2 || until - (this.shown || 0) > breath)) {
				this.shown = until;
				this.log.scrollTop = this.log.scrollHeight;
			}
			this.tellUnseen();
			this.reach();
			this.search.changed();
			if (this.work.length) this.planned = requestAnimationFrame(() => this.frame());
			this.element.dataset.busy = this.work.length ? "yes" : "no";
		}

		// apply does a piece of the work, and says whether that was all of it.
		apply(item) {
			if (item.standing) this.stand(item.standing);
			else if (item.reset) this.reset();
			else if (item.end) this.end();
			else if (item.note) {
				const note = this.part(".output-note");
				note.hidden = false;
				note.textContent = item.note;
			} else return this.lines(item);
			return true;
		}

		lines(item) {
			const step = this.step(item.step);
			if (item.done === undefined) {
				item.done = 0;
				this.search.cut(step, item.at);
				if (item.at > step.end || item.at < step.first) step.clear(item.at);
				else if (item.at < step.end) step.cut(item.at);
			}
			if (item.done < item.lines.length) {
				const from = step.end;
				item.done += step.add(item.lines, item.done);
				if (!this.following && from >= (step.seen || 0)) this.unseen += step.end - from;
				step.seen = Math.max(step.seen || 0, step.end);
				this.mark(step, from);
			}
			step.tellMissing();
			return item.done === item.lines.length;
		}

		step(number) {
			let step = this.steps.get(number);
			if (!step) {
				step = new Step(this, number);
				this.steps.set(number, step);
				const next = [...this.steps.keys()].filter((n) => n > number).sort((a, b) => a - b)[0];
				this.log.insertBefore(step.element, next === undefined ? null : this.steps.get(next).element);
			}
			return step;
		}

		// stand shows where the attempt and its steps stand.
		stand(now) {
			this.live = now.live;
			for (const one of now.steps || []) {
				const step = this.step(one.number);
				const before = step.state;
				step.tell(one);
				const long = step.end - step.first > foldedFrom;
				const ended = one.state === "succeeded" && (before !== one.state || !now.live);
				if (ended && long && !step.touched && (this.following || !this.live)) step.fold(true);
			}
			const failed = (now.steps || []).find((step) => step.state === "failed");
			const button = this.part("[data-failed]");
			button.hidden = !failed;
			this.failed = failed && failed.number;
			if (failed) button.textContent = `Step ${failed.number + 1} failed: go there`;
		}

		reset() {
			for (const step of this.steps.values()) { this.search.cut(step, 0); step.clear(0); }
		}

		end() {
			this.live = false;
			for (const step of this.steps.values()) {
				const aimed = this.target && this.target.step === step.number;
				if (step.state === "succeeded" && step.end - step.first > foldedFrom && !step.touched && !aimed) step.fold(true);
			}
			if (this.steps.size === 0 || [...this.steps.values()].every((step) => step.end === 0)) {
				const note = this.part(".output-note");
				if (note.hidden) { note.hidden = false; note.className = "output-note quiet"; note.textContent = "It printed nothing."; }
			}
			this.tellUnseen();
		}

		toggle(button, name, when) {
			const is = button.getAttribute("aria-pressed") !== "true";
			button.setAttribute("aria-pressed", String(is));
			this.element.classList.toggle(name, is === when);
			if (this.following && this.live) this.log.scrollTop = this.log.scrollHeight;
		}

		atEnd() { return this.log.scrollTop + this.log.clientHeight >= this.log.scrollHeight - lineHeight; }

		// scrolled follows at the end, and pauses when somebody goes up.
		scrolled() {
			const top = this.log.scrollTop;
			if (this.atEnd()) { this.following = true; this.unseen = 0; } else if (top < this.top - 1) this.following = false;
			this.top = top;
			this.tellUnseen();
		}

		follow() {
			this.following = true;
			this.unseen = 0;
			this.log.scrollTop = this.log.scrollHeight;
			this.tellUnseen();
			this.log.focus({ preventScroll: true });
		}

		tellUnseen() {
			const paused = this.live && !this.following;
			this.part(".output-end").hidden = !paused;
			const news = this.unseen === 0 ? "" : this.unseen === 1 ? " (1 new line)" : ` (${this.unseen.toLocaleString("en")} new lines)`;
			const text = "Follow" + news;
			if (this.part("[data-end]").textContent !== text) this.part("[data-end]").textContent = text;
		}

		// show brings a line into the middle.
		show(step, n) {
			this.following = false;
			step.fold(false);
			const line = step.line(n);
			if (line) line.scrollIntoView({ block: "center" });
			this.tellUnseen();
			return line;
		}

		showFailed() {
			const step = this.steps.get(this.failed);
			if (!step) return;
			this.show(step, step.end - 1);
			step.button.focus({ preventScroll: true });
		}

		// aim reads the address: #s2, #s2-L140, #s2-L140-L150.
		aim() {
			const found = /^#s(\d+)(?:-L(\d+)(?:-L(\d+))?)?$/.exec(location.hash);
			this.target = null;
			for (const old of this.log.querySelectorAll(".output-target")) old.classList.remove("output-target");
			if (!found) return;
			const from = Number(found[2] || 1) - 1;
			const to = Math.max(from, Number(found[3] || found[2] || 1) - 1);
			this.target = { step: found[1] - 1, from, to, lines: found[2] !== undefined, reached: false };
			const step = this.steps.get(this.target.step);
			if (step) this.mark(step, 0);
		}

		// mark shows which lines the address names, also when they come later.
		mark(step, from) {
			const { target } = this;
			if (!target || !target.lines || target.step !== step.number) return;
			for (let n = Math.max(from, target.from, step.first); n <= target.to && n < step.end; n++) step.line(n).classList.add("output-target");
		}

		// reach goes to the lines that the address names as soon as they are there.
		reach() {
			const { target } = this;
			if (!target || target.reached) return;
			const step = this.steps.get(target.step);
			if (!step || (target.from >= step.end && target.lines)) return;
			target.reached = true;
			const go = () => (target.lines ? this.show(step, target.from) : step.element.scrollIntoView({ block: "start" }));
			step.touched = true;
			step.fold(false);
			this.following = false;
			go();
			requestAnimationFrame(go); // what lies above is laid out now, and may be higher than it seemed
		}

		// clicked names a line in the address when its number is pressed; with shift, up to it from the one before.
		clicked(event) {
			const line = event.target.closest(".output-lines > div > div");
			if (!line || event.clientX - line.getBoundingClientRect().left > 64 || event.target.closest("a")) return;
			const number = Number(line.closest(".output-step").id.slice(1)) - 1;
			const n = this.steps.get(number).place(line);
			let address = `#s${number + 1}-L${n + 1}`;
			if (event.shiftKey && this.target && this.target.step === number) {
				address = `#s${number + 1}-L${Math.min(this.target.from, n) + 1}-L${Math.max(this.target.from, n) + 1}`;
			}
			history.replaceState(history.state, "", address);
			this.aim();
			if (this.target) this.target.reached = true;
		}

		pressed(event) {
			if (event.ctrlKey || event.metaKey || event.altKey) return;
			const typing = event.target.closest("input");
			if (event.key === "Escape" && this.element.classList.contains("output-full") && !typing) this.part("[data-full]").click();
			else if (!typing && event.key === "n") this.search.go(1);
			else if (!typing && event.key === "N") this.search.go(-1);
			else if (!typing && event.key === "End") this.follow();
			else return;
			event.preventDefault();
		}
	}

	const viewers = new Set();
	const look = () => {
		for (const viewer of viewers) {
			if (!viewer.element.isConnected) { viewer.close(); viewers.delete(viewer); }
		}
		for (const element of document.querySelectorAll(".output[data-follow]")) {
			if (![...viewers].some((viewer) => viewer.element === element)) viewers.add(new Viewer(element));
		}
	};
	document.addEventListener("DOMContentLoaded", look);
	document.addEventListener("htmx:after:swap", look);
	addEventListener("hashchange", () => viewers.forEach((viewer) => { viewer.aim(); viewer.reach(); }));
	addEventListener("pagehide", () => viewers.forEach((viewer) => viewer.close()));
	addEventListener("pageshow", () => viewers.forEach((viewer) => viewer.open()));
	// Who looks elsewhere needs no connection: browsers have few. It goes on where it was.
	let away;
	document.addEventListener("visibilitychange", () => {
		clearTimeout(away);
		if (document.hidden) away = setTimeout(() => viewers.forEach((viewer) => viewer.close()), 10000);
		else viewers.forEach((viewer) => viewer.open());
	});

	// The classes of xterm's 256 colours, of which there would be too many to write down.
	const level = (n) => (n ? n * 40 + 55 : 0);
	const grounds = [];
	const letters = [];
	for (let n = 16; n < 256; n++) {
		const c = n - 16;
		const grey = (n - 232) * 10 + 8;
		const rgb = n >= 232 ? [grey, grey, grey] : [level(Math.floor(c / 36)), level(Math.floor(c / 6) % 6), level(c % 6)];
		const light = rgb[0] * 0.3 + rgb[1] * 0.59 + rgb[2] * 0.11 > 115;
		grounds.push(`.term-bgx${n}{background-color:rgb(${rgb});color:${light ? "#000" : "#fff"}}`);
		letters.push(`.term-fgx${n}{color:rgb(${rgb})}`);
	}
	const sheet = new CSSStyleSheet();
	sheet.replaceSync([...grounds, ...letters].join(""));
	document.adoptedStyleSheets.push(sheet);
})();
