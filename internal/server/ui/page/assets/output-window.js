// The lines of one step of an output. All of them are kept as text; only those in and near what can be seen are elements,
// in blocks, and between the blocks stand spaces as high as what is not there. So a frame costs the same however many
// lines there are.
"use strict";
(() => {
	const blockLines = 25;
	const mostLines = 150000; // the oldest go
	const lineHeight = 20; // pixels of a line that is not wrapped, as in output.css

	const letters = { amp: "&", lt: "<", gt: ">", quot: '"', nbsp: "\u00a0" };
	const unescaped = (all, name) => (name[0] === "#" ? String.fromCodePoint(Number(name.slice(1))) : (letters[name] ?? all));

	// OutputLines has lines that are numbered from 0. Block k has those from k * blockLines on.
	globalThis.OutputLines = class {
		// drawn is told of lines that have become elements, as their numbers from and to.
		constructor(drawn) {
			this.drawn = drawn;
			this.element = document.createElement("div");
			this.element.className = "output-lines";
			this.above = this.space();
			this.below = this.space();
			this.gaps = []; // between blocks that are shown
			this.width = 0; // of the widest line so far
			this.element.append(this.above, this.below);
			this.clear(0);
		}

		get end() { return this.first + this.html.length; }

		clear(at) {
			for (const block of this.shown?.values() || []) block.remove();
			this.first = at;
			this.html = [];
			this.heights = []; // of the blocks from that of the first line on, where they are known
			this.shown = new Map(); // the blocks that are elements
			this.changed = true;
		}

		// cut takes away the lines from one on.
		cut(at) {
			this.html.length = at - this.first;
			this.touch(at);
			for (const [k, block] of this.shown) {
				while (block.children.length && this.from(k) + block.children.length > at) block.lastChild.remove();
				if (!block.children.length) this.drop(k);
			}
		}

		add(lines) {
			this.touch(this.end);
			for (const line of lines) this.html.push(line);
			const over = this.html.length - mostLines;
			if (over <= 0) return;
			const blocks = Math.ceil((this.first + over) / blockLines) - this.base;
			for (const k of [...this.shown.keys()]) if (k < this.base + blocks) this.drop(k);
			this.heights.splice(0, blocks);
			const first = (this.base + blocks) * blockLines;
			this.html.splice(0, first - this.first);
			this.first = first;
		}

		// touch says that the lines from one on are others now.
		touch(at) {
			this.changed = true;
			this.heights.length = Math.min(this.heights.length, Math.max(0, Math.floor(at / blockLines) - this.base));
		}

		// forget has all lines measured anew, as they have another width.
		forget() {
			this.heights = [];
			this.width = 0;
			this.element.style.minWidth = "";
			this.changed = true;
		}

		get base() { return Math.floor(this.first / blockLines); }
		from(k) { return Math.max(this.first, k * blockLines); }
		to(k) { return Math.min(this.end, (k + 1) * blockLines); }
		height(k) { return this.heights[k - this.base] || (this.to(k) - this.from(k)) * lineHeight; }

		// top is how far below the beginning a line is.
		top(n) {
			let top = 0;
			const own = Math.floor(n / blockLines);
			for (let k = this.base; k < own; k++) top += this.height(k);
			return top + ((n - this.from(own)) / (this.to(own) - this.from(own))) * this.height(own);
		}

		// drawnRanges is the numbers from and to of the lines that are elements.
		drawnRanges() { return [...this.shown.keys()].map((k) => [this.from(k), this.to(k)]); }

		// line is a line's element, when it has one.
		line(n) {
			const block = this.shown.get(Math.floor(n / blockLines));
			return (n >= this.first && block?.children[n - this.from(Math.floor(n / blockLines))]) || null;
		}

		// place says which line an element is.
		place(element) {
			for (const [k, block] of this.shown) {
				if (block === element.parentElement) return this.from(k) + Array.prototype.indexOf.call(block.children, element);
			}
			return -1;
		}

		text(n) {
			const html = this.html[n - this.first];
			return /[<&]/.test(html) ? html.replace(/<[^>]*>/g, "").replace(/&(#?\w+);/g, unescaped) : html;
		}

		// measure notes how high the blocks are that the browser has laid out, and how wide lines are that are not wrapped.
		measure(unwrapped) {
			for (const [k, block] of this.shown) {
				if (block.children.length === this.to(k) - this.from(k)) this.heights[k - this.base] = block.getBoundingClientRect().height;
			}
			if (!unwrapped) return;
			const width = this.element.offsetWidth;
			if (width > this.width) this.element.style.minWidth = width + "px"; // else one could not stay where one is when they go
			this.width = Math.max(this.width, width);
		}

		// draw makes elements of the lines between two heights, and takes those of others away but for the blocks that have
		// one of the nodes to keep. It says whether anything became different.
		draw(top, bottom, keep) {
			const wanted = this.near(top, bottom, keep);
			if (!this.changed && wanted.length === this.shown.size && wanted.every((k) => this.shown.has(k))) return false;
			this.changed = false;
			for (const k of [...this.shown.keys()]) if (!wanted.includes(k)) this.drop(k);
			for (const gap of this.gaps.splice(0)) gap.remove();
			let next = wanted.length ? wanted[0] : this.base;
			this.keepOpen(this.above, this.base, next);
			let last = this.above;
			for (const k of wanted) {
				if (k > next) {
					const gap = this.space();
					this.gaps.push(gap);
					last.after(gap);
					this.keepOpen(gap, next, k);
					last = gap;
				}
				last = this.fill(k, last);
				next = k + 1;
			}
			this.keepOpen(this.below, next, Math.ceil(this.end / blockLines));
			return true;
		}

		// grow keeps the place of lines that are no elements yet.
		grow() { this.keepOpen(this.below, Math.max(this.base, ...[...this.shown.keys()].map((k) => k + 1)), Math.ceil(this.end / blockLines)); }

		near(top, bottom, keep) {
			const found = [];
			let at = 0;
			for (let k = this.base; this.from(k) < this.end; k++) {
				const height = this.height(k);
				const block = this.shown.get(k);
				if ((at + height > top && at < bottom) || (block && keep.some((node) => block.contains(node)))) found.push(k);
				at += height;
			}
			return found;
		}

		// fill makes elements of those lines of a block that have none yet.
		fill(k, last) {
			let block = this.shown.get(k);
			if (!block) {
				block = document.createElement("div");
				block.style.setProperty("--from", this.from(k));
				this.shown.set(k, block);
				last.after(block);
			}
			const from = this.from(k) + block.children.length;
			const to = this.to(k);
			if (from < to) {
				block.insertAdjacentHTML("beforeend", "<div>" + this.html.slice(from - this.first, to - this.first).join("</div><div>") + "</div>");
				this.drawn(from, to);
			}
			return block;
		}

		drop(k) {
			this.shown.get(k).remove();
			this.shown.delete(k);
		}

		space() {
			const element = document.createElement("div");
			element.className = "output-space";
			element.setAttribute("role", "note");
			element.hidden = true;
			return element;
		}

		// keepOpen gives a space the height of the blocks from one to before another.
		keepOpen(space, from, to) {
			let height = 0;
			for (let k = from; k < to; k++) height += this.height(k);
			space.hidden = from >= to;
			space.style.height = height + "px";
			if (from < to) space.setAttribute("aria-label", `Lines ${this.from(from) + 1} to ${this.to(to - 1)} come when one scrolls to them.`);
		}
	};
})();
