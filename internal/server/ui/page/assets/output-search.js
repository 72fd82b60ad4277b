// Search in the output of a task: in all its lines, also in those that are no elements now or not there yet.
"use strict";
(() => {
	const budget = 6; // milliseconds of work in a frame
	const mostMarks = 2000; // in what can be seen

	class Search {
		constructor(viewer) {
			this.viewer = viewer;
			this.hits = new Map(); // of each step, the numbers of the lines that have it, in order
			this.scanned = new Map(); // of each step, up to which line it was looked for
			this.text = "";
			const box = viewer.part(".output-search");
			box.hidden = false;
			this.field = box.querySelector("input");
			this.found = box.querySelector(".output-found");
			this.field.addEventListener("input", () => this.begin());
			this.field.addEventListener("keydown", (event) => {
				if (event.key !== "Enter") return;
				event.preventDefault();
				this.go(event.shiftKey ? -1 : 1);
			});
			box.querySelector("[data-next]").addEventListener("click", () => this.go(1));
			box.querySelector("[data-previous]").addEventListener("click", () => this.go(-1));
		}

		begin() {
			this.text = this.field.value.toLowerCase();
			this.hits.clear();
			this.scanned.clear();
			this.leave();
			this.at = null;
			this.first = this.text !== "";
			this.changed();
		}

		// cut forgets what was found from a line on: other lines come there.
		cut(step, at) {
			const hits = this.hits.get(step.number);
			while (hits && hits.length && hits.at(-1) >= at) hits.pop();
			if ((this.scanned.get(step.number) || 0) > at) this.scanned.set(step.number, at);
		}

		// changed looks through what is new.
		changed() {
			if (!this.planned && (this.text || this.marked)) this.planned = requestAnimationFrame(() => this.frame());
		}

		frame() {
			this.planned = 0;
			const until = performance.now() + budget;
			const left = this.text !== "" && this.scan(until);
			this.tell(left);
			this.paint();
			if (this.first && this.count() > 0) { this.first = false; this.go(1, true); }
			if (left) this.changed();
		}

		// scan looks through lines until the time is over, and says whether some are left.
		scan(until) {
			for (const step of this.viewer.order) {
				if (!this.hits.has(step.number)) this.hits.set(step.number, []);
				const hits = this.hits.get(step.number);
				while (hits.length && hits[0] < step.lines.first) hits.shift();
				let n = Math.max(this.scanned.get(step.number) || 0, step.lines.first);
				while (n < step.lines.end) {
					if (step.lines.text(n).toLowerCase().includes(this.text)) hits.push(n);
					n++;
					if (n % 100 === 0 && performance.now() > until) break;
				}
				this.scanned.set(step.number, n);
				if (n < step.lines.end) return true;
			}
			return false;
		}

		count() {
			let sum = 0;
			for (const hits of this.hits.values()) sum += hits.length;
			return sum;
		}

		tell(left) {
			const count = this.count();
			let text = "";
			if (this.text) text = count === 0 ? (left ? "…" : "no line has it") : (this.at ? this.rank() + " of " : "") + count.toLocaleString("en") + (left ? "…" : count === 1 ? " line" : " lines");
			if (this.found.textContent !== text) this.found.textContent = text;
		}

		rank() {
			let before = 0;
			for (const { number } of this.viewer.order) {
				const hits = this.hits.get(number) || [];
				if (number === this.at.step) return (before + hits.indexOf(this.at.line) + 1).toLocaleString("en");
				before += hits.length;
			}
			return "";
		}

		// go shows the next line that has the text, or the one before.
		go(direction) {
			if (!this.text || this.count() === 0) return;
			const all = this.viewer.order.map((one) => one.number).filter((number) => this.hits.get(number)?.length); // others may not have been looked through yet
			let step = this.at ? this.at.step : -1;
			let line = this.at ? this.at.line : -1;
			const hits = this.hits.get(step) || [];
			const next = direction > 0 ? hits.find((n) => n > line) : hits.findLast((n) => n < line);
			if (next !== undefined) line = next;
			else {
				const others = direction > 0 ? all.filter((n) => n > step) : all.filter((n) => n < step).reverse();
				step = others.length ? others[0] : direction > 0 ? all[0] : all.at(-1);
				line = direction > 0 ? this.hits.get(step)[0] : this.hits.get(step).at(-1);
			}
			this.leave();
			this.at = { step, line };
			this.viewer.show(this.viewer.steps.get(step), line)?.classList.add("output-found-here");
			this.tell(false);
			this.paintSoon();
		}

		leave() {
			for (const old of this.viewer.log.querySelectorAll(".output-found-here")) old.classList.remove("output-found-here");
		}

		paintSoon() {
			if (!this.painting && (this.text || this.marked)) {
				this.painting = requestAnimationFrame(() => { this.painting = 0; this.paint(); });
			}
		}

		// paint marks the text in the lines that are elements.
		paint() {
			if (!globalThis.CSS || !CSS.highlights) return;
			this.marked = this.text !== "";
			const ranges = [];
			for (const [number, hits] of this.text ? this.hits : []) {
				const step = this.viewer.steps.get(number);
				if (step.folded) continue;
				for (const [from, to] of step.lines.drawnRanges()) this.rangesOf(step, hits, from, to, ranges);
			}
			CSS.highlights.set("output-found", new Highlight(...ranges));
		}

		rangesOf(step, hits, from, to, ranges) {
			let i = 0;
			for (let low = 0, high = hits.length; low < high; i = low) {
				const middle = (low + high) >> 1;
				if (hits[middle] < from) low = middle + 1;
				else high = middle;
			}
			for (; i < hits.length && hits[i] < to && ranges.length < mostMarks; i++) {
				const line = step.lines.line(hits[i]);
				if (line) this.mark(line, ranges);
			}
		}

		// mark finds the text in a line, across the elements in it.
		mark(line, ranges) {
			const walker = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
			const nodes = [];
			let all = "";
			while (walker.nextNode()) {
				nodes.push({ node: walker.currentNode, from: all.length });
				all += walker.currentNode.data;
			}
			const lower = all.toLowerCase();
			if (lower.length !== all.length) return; // letters that are longer in small: their places are not known
			const place = (offset) => {
				const { node, from } = nodes.findLast((one) => one.from <= offset);
				return [node, offset - from];
			};
			for (let at = lower.indexOf(this.text); at >= 0 && ranges.length < mostMarks; at = lower.indexOf(this.text, at + this.text.length)) {
				const [startContainer, startOffset] = place(at);
				const [endContainer, last] = place(at + this.text.length - 1);
				ranges.push(new StaticRange({ startContainer, startOffset, endContainer, endOffset: last + 1 }));
			}
		}
	}

	globalThis.OutputSearch = Search;
})();
