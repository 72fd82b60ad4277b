// Tasks: how many are chosen, short addresses of filters, and waterfalls that grow while they are looked at.
"use strict";
(() => {
	const chosen = () => {
		const told = document.getElementById("chosen");
		if (!told) return;
		const n = document.querySelectorAll("#chooser input[name=task]:checked").length;
		told.textContent = n ? n + " chosen" : "";
	};
	document.addEventListener("change", chosen);

	// Fields that say nothing make addresses long.
	document.addEventListener("formdata", (event) => {
		if (!event.target.hasAttribute("data-leave-out-empty")) return;
		for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
	});

	const took = (ms) => {
		const s = ms / 1000;
		if (s < 1) return Math.floor(ms) + "ms";
		if (s < 10) return s.toFixed(1) + "s";
		if (s < 60) return Math.floor(s) + "s";
		if (s < 3600) return Math.floor(s / 60) + "m " + Math.floor(s % 60) + "s";
		return Math.floor(s / 3600) + "h " + Math.floor((s % 3600) / 60) + "m";
	};
	const percent = (part) => (100 * part).toFixed(2) + "%";
	const thinnest = 0.004;

	// What goes on ends now, and so does the axis.
	const grow = () => {
		const table = document.querySelector(".waterfall[data-origin]");
		if (!table) return;
		const origin = Number(table.dataset.origin);
		const bars = [...table.querySelectorAll("rect[data-from]")];
		const known = bars.flatMap((bar) => [Number(bar.dataset.from), Number(bar.dataset.to || 0)]);
		const end = Math.max(Date.now(), origin + 100, ...known);
		const at = (t) => Math.min(1, Math.max(0, (t - origin) / (end - origin)));
		for (const bar of bars) {
			const from = Math.min(at(Number(bar.dataset.from)), 1 - thinnest);
			bar.setAttribute("x", percent(from));
			bar.setAttribute("width", percent(Math.max(thinnest, at(Number(bar.dataset.to || end)) - from)));
		}
		for (const tick of table.querySelectorAll("[data-part]")) tick.textContent = took(Number(tick.dataset.part) * (end - origin));
	};

	const all = () => {
		grow();
		chosen();
	};
	document.addEventListener("DOMContentLoaded", all);
	document.addEventListener("htmx:after:swap", all);
	setInterval(grow, 500);
})();
