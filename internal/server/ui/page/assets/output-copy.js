// Copying lines of an output, also those in the middle that are no elements now.
"use strict";
(() => {
	const lettersBefore = (line, node, offset) => {
		const range = new Range();
		range.selectNodeContents(line);
		range.setEnd(node, offset);
		return range.toString().length;
	};

	// edge is where a selection begins or ends: at a letter of a step's line. What is between lines counts for a whole step.
	const edge = (viewer, node, offset, isEnd) => {
		if (node === viewer.log) {
			const at = isEnd ? offset - 1 : offset;
			const step = viewer.order[at];
			return step && { at, line: isEnd ? step.lines.end - 1 : step.lines.first, letter: isEnd ? Infinity : 0 };
		}
		const element = node.nodeType === Node.ELEMENT_NODE ? node : node.parentElement;
		const at = viewer.order.findIndex((step) => step.element.contains(element));
		const step = viewer.order[at];
		if (!step) return null;
		const line = element.closest(".output-lines > div > div");
		if (line) return { at, line: step.lines.place(line), letter: lettersBefore(line, node, offset) };
		const inHead = !step.lines.element.contains(element);
		if (isEnd && inHead) return { at, line: step.lines.first, letter: 0 };
		return { at, line: isEnd ? step.lines.end - 1 : step.lines.first, letter: isEnd ? Infinity : 0 };
	};

	// selectedOutput is the text of the lines that are selected.
	globalThis.selectedOutput = (viewer, selection) => {
		if (selection.isCollapsed) return "";
		const range = selection.getRangeAt(0);
		const from = edge(viewer, range.startContainer, range.startOffset, false);
		const to = edge(viewer, range.endContainer, range.endOffset, true);
		if (!from || !to) return "";
		const all = [];
		for (let at = from.at; at <= to.at; at++) {
			const { lines, folded } = viewer.order[at];
			if (folded) continue;
			const last = at === to.at ? to.line : lines.end - 1;
			for (let n = at === from.at ? from.line : lines.first; n <= last; n++) {
				const whole = lines.text(n);
				const end = at === to.at && n === to.line ? to.letter : whole.length;
				all.push(whole.slice(at === from.at && n === from.line ? from.letter : 0, end));
			}
		}
		return all.join("\n");
	};
})();
