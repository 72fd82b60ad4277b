// The output of a task as it comes. The server says which lines a step has from some line on; OutputLines shows those that
// can be seen.
"use strict";
(() => {
	const foldedFrom = 30; // a step that succeeded is folded when it is longer
	const near = 400; // pixels above and below what can be seen that are elements already, or as much as can be seen

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

	// Step is one step: its headline and its lines.
	class Step {
		constructor(number, drawn) {
			this.number = number;
			this.lines = new globalThis.OutputLines((from, to) => drawn(this, from, to));
			this.seen = 0; // how many lines there were at most
			this.folded = false;
			this.element = make("section", "output-step");
			this.element.id = "s" + (number + 1);
			const heading = make("h3");
			this.button = make("button");
			this.button.type = "button";
			this.button.setAttribute("aria-expanded", "true");
			heading.append(this.button);
			this.missing = make("p", "output-missing quiet");
			this.missing.hidden = true;
			this.element.append(heading, this.missing, this.lines.element);
			this.tell({ name: "", state: "running" });
		}

		get long() { return this.lines.end - this.lines.first > foldedFrom; }

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
			this.lines.element.hidden = is;
			this.button.setAttribute("aria-expanded", String(!is));
		}

		tellMissing() {
			this.missing.hidden = this.lines.first === 0;
			this.missing.textContent = `${this.lines.first.toLocaleString("en")} lines before these are in the raw output only.`;
		}
	}

	// Viewer is one element that the server made, with its connection.
	class Viewer {
		constructor(element) {
			this.element = element;
			this.log = element.querySelector(".output-log");
			this.steps = new Map();
			this.order = []; // the steps as they follow each other
			this.after = "";
			this.delay = 1000;
			this.live = true;
			this.following = !location.hash.startsWith("#s");
			this.unseen = 0;
			this.top = 0;
			this.log.hidden = false;
			this.part("[data-wrap]").hidden = this.part("[data-full]").hidden = false;
			new ResizeObserver(() => this.resized()).observe(this.log);
			this.log.addEventListener("scroll", () => this.scrolled(), { passive: true });
			this.log.addEventListener("click", (event) => this.clicked(event));
			this.part("[data-end]").addEventListener("click", () => this.follow());
			this.part("[data-failed]").addEventListener("click", () => this.showFailed());
			this.part("[data-wrap]").addEventListener("click", (event) => this.toggle(event.currentTarget, "output-unwrapped", false));
			this.part("[data-full]").addEventListener("click", (event) => this.toggle(event.currentTarget, "output-full", true));
			this.log.addEventListener("copy", (event) => this.copied(event));
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
			events.addEventListener("steps", (event) => this.stand(JSON.parse(event.data)));
			events.addEventListener("output", (event) => this.receive(event.data));
			events.addEventListener("reset", () => this.reset());
			events.addEventListener("end", () => this.end());
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
			if (this.wentUp()) this.following = false; // so that what comes is counted as not seen
			this.after = head.after;
			if (head.note) this.note(head.note, "problem");
			for (const { step, at, lines: count } of head.steps) {
				this.take(this.step(step), at, lines.slice(from, from + count));
				from += count;
			}
			this.plan();
		}

		note(text, look) {
			const note = this.part(".output-note");
			note.hidden = false;
			note.className = "output-note " + look;
			note.textContent = text;
		}

		// take puts lines in the place of what a step has from one on.
		take(step, at, lines) {
			this.search.cut(step, at);
			if (at > step.lines.end || at < step.lines.first) step.lines.clear(at);
			else if (at < step.lines.end) step.lines.cut(at);
			step.lines.add(lines);
			if (!this.following) this.unseen += Math.max(0, step.lines.end - Math.max(at, step.seen));
			step.seen = Math.max(step.seen, step.lines.end);
			step.tellMissing();
		}

		// plan has what changed shown in the next frame.
		plan() { this.planned ||= requestAnimationFrame(() => this.frame()); }

		frame() {
			this.planned = 0;
			this.draw();
			this.tellUnseen();
			this.reach();
			this.search.changed();
		}

		// draw makes elements of the lines in and near what can be seen.
		draw() {
			const toEnd = this.following && this.live;
			const open = this.order.filter((step) => !step.folded);
			for (const step of open) step.lines.measure(this.element.classList.contains("output-unwrapped"));
			if (toEnd) {
				for (const step of open) step.lines.grow();
				this.goToEnd();
			}
			const view = this.log.getBoundingClientRect();
			const margin = Math.max(near, view.height);
			const tops = open.map((step) => step.lines.element.getBoundingClientRect().top);
			const selection = getSelection();
			const keep = selection.isCollapsed ? [] : [selection.anchorNode, selection.focusNode]; // else it would be lost
			let different = false;
			open.forEach((step, i) => {
				if (step.lines.draw(view.top - margin - tops[i], view.bottom + margin - tops[i], keep)) different = true;
			});
			if (toEnd && different) this.goToEnd();
			if (different) this.search.paintSoon();
		}

		// resized has all measured anew.
		resized() {
			if (this.width === this.log.clientWidth) return;
			this.width = this.log.clientWidth;
			this.log.style.setProperty("--seen-width", this.width + "px");
			for (const step of this.order) step.lines.forget();
			this.plan();
		}

		step(number) {
			let step = this.steps.get(number);
			if (!step) {
				step = new Step(number, (...drawn) => this.drawn(...drawn));
				step.button.addEventListener("click", () => {
					step.touched = true;
					step.fold(!step.folded);
					this.plan();
				});
				this.steps.set(number, step);
				this.order = [...this.steps.values()].sort((a, b) => a.number - b.number);
				this.log.insertBefore(step.element, this.order[this.order.indexOf(step) + 1]?.element ?? null);
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
				const ended = one.state === "succeeded" && (before !== one.state || !now.live);
				if (ended && step.long && !step.touched && (this.following || !this.live)) step.fold(true);
			}
			const failed = (now.steps || []).find((step) => step.state === "failed");
			const button = this.part("[data-failed]");
			button.hidden = !failed;
			this.failed = failed && failed.number;
			if (failed) button.textContent = `Step ${failed.number + 1} failed: go there`;
			this.plan();
		}

		reset() {
			this.after = "";
			for (const step of this.order) {
				this.search.cut(step, 0);
				step.lines.clear(0);
			}
			this.plan();
		}

		end() {
			this.over = true;
			this.close();
			this.live = false;
			for (const step of this.order) {
				const aimed = this.target && this.target.step === step.number;
				if (step.state === "succeeded" && step.long && !step.touched && !aimed) step.fold(true);
			}
			if (this.order.every((step) => step.lines.end === 0) && this.part(".output-note").hidden) this.note("It printed nothing.", "quiet");
			this.plan();
		}

		toggle(button, name, when) {
			const is = button.getAttribute("aria-pressed") !== "true";
			button.setAttribute("aria-pressed", String(is));
			this.element.classList.toggle(name, is === when);
			for (const step of this.order) step.lines.forget();
			this.plan();
		}

		atEnd() { return this.log.scrollTop + this.log.clientHeight >= this.log.scrollHeight - 20; }

		// goToEnd remembers where it went: somebody may go up before the browser tells of it.
		goToEnd() {
			this.log.scrollTop = this.log.scrollHeight;
			this.top = this.log.scrollTop;
		}

		// wentUp is whether somebody scrolled up since the browser last told where the lines stand.
		wentUp() { return this.log.scrollTop < this.top - 1 && !this.atEnd(); }

		// scrolled follows at the end, and pauses when somebody goes up.
		scrolled() {
			if (this.atEnd()) { this.following = true; this.unseen = 0; } else if (this.wentUp()) this.following = false;
			this.top = this.log.scrollTop;
			this.plan();
		}

		follow() {
			this.following = true;
			this.unseen = 0;
			this.goToEnd();
			this.plan();
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
			this.draw(); // what is measured by now
			const top = step.lines.element.getBoundingClientRect().top + step.lines.top(n) - this.log.getBoundingClientRect().top;
			this.log.scrollTop += top - this.log.clientHeight / 2;
			this.draw();
			const line = step.lines.line(n);
			if (line) line.scrollIntoView({ block: "center" });
			this.plan();
			return line;
		}

		showFailed() {
			const step = this.steps.get(this.failed);
			if (!step) return;
			this.show(step, step.lines.end - 1);
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
			if (step) this.drawn(step, step.lines.first, step.lines.end);
		}

		// drawn marks the lines that the address or the search names among those that have become elements.
		drawn(step, from, to) {
			const { target } = this;
			if (target?.lines && target.step === step.number) {
				for (let n = Math.max(from, target.from); n <= target.to && n < to; n++) step.lines.line(n)?.classList.add("output-target");
			}
			const { at } = this.search;
			if (at && at.step === step.number && at.line >= from && at.line < to) step.lines.line(at.line).classList.add("output-found-here");
		}

		// reach goes to the lines that the address names as soon as they are there.
		reach() {
			const { target } = this;
			if (!target || target.reached) return;
			const step = this.steps.get(target.step);
			if (!step || (target.from >= step.lines.end && target.lines)) return;
			target.reached = true;
			step.touched = true;
			step.fold(false);
			this.following = false;
			if (target.lines) this.show(step, target.from);
			else step.element.scrollIntoView({ block: "start" });
		}

		// clicked names a line in the address when its number is pressed; with shift, up to it from the one before.
		clicked(event) {
			const line = event.target.closest(".output-lines > div > div");
			if (!line || event.clientX - line.getBoundingClientRect().left > 64 || event.target.closest("a")) return;
			const number = Number(line.closest(".output-step").id.slice(1)) - 1;
			const n = this.steps.get(number).lines.place(line);
			let address = `#s${number + 1}-L${n + 1}`;
			if (event.shiftKey && this.target && this.target.step === number) {
				address = `#s${number + 1}-L${Math.min(this.target.from, n) + 1}-L${Math.max(this.target.from, n) + 1}`;
			}
			history.replaceState(history.state, "", address);
			this.aim();
			if (this.target) this.target.reached = true;
		}

		// copied has all lines of the selection copied, also those that are no elements.
		copied(event) {
			const text = globalThis.selectedOutput(this, getSelection());
			if (!text) return;
			event.clipboardData.setData("text/plain", text);
			event.preventDefault();
		}

		pressed(event) {
			const typing = event.target.closest("input");
			const command = (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase();
			if (command === "f" && !typing) this.search.field.select(); // the browser's own search knows the lines that are elements
			else if (command === "a" && event.target === this.log) getSelection().selectAllChildren(this.log);
			else if (event.ctrlKey || event.metaKey || event.altKey) return;
			else if (event.key === "Escape" && this.element.classList.contains("output-full") && !typing) this.part("[data-full]").click();
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
