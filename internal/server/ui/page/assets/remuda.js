// What pages do in the browser beyond what htmx does: times that people can read, copying, and saying when the connection
// is broken. Without it every page still works, with exact times.
"use strict";
(() => {
	const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
	const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

	const relative = (then) => {
		const seconds = (then - Date.now()) / 1000;
		for (const [unit, length] of units) {
			if (Math.abs(seconds) >= length || unit === "second") return words.format(Math.trunc(seconds / length), unit);
		}
	};
	const lasting = (since) => {
		const s = Math.max(0, Math.floor((Date.now() - since) / 1000));
		if (s < 60) return s + "s";
		if (s < 3600) return Math.floor(s / 60) + "m " + (s % 60) + "s";
		return Math.floor(s / 3600) + "h " + Math.floor((s % 3600) / 60) + "m";
	};
	const tell = () => {
		for (const time of document.querySelectorAll("time[data-relative]")) time.textContent = relative(Date.parse(time.dateTime));
		for (const time of document.querySelectorAll("time[data-lasting]")) time.textContent = lasting(Date.parse(time.dateTime));
	};

	document.addEventListener("DOMContentLoaded", tell);
	document.addEventListener("htmx:after:swap", tell);
	setInterval(tell, 1000);

	document.addEventListener("click", (event) => {
		const button = event.target.closest("[data-copy]");
		if (!button) return;
		navigator.clipboard.writeText(button.parentElement.querySelector("pre").textContent).then(() => {
			button.textContent = "Copied";
			setTimeout(() => (button.textContent = "Copy"), 2000);
		});
	});
	document.addEventListener("change", (event) => {
		const form = event.target.form;
		if (form && form.hasAttribute("data-submit-on-change")) form.requestSubmit();
		if (event.target.matches("[data-all]")) {
			for (const box of document.querySelectorAll(`input[type=checkbox][name="${event.target.dataset.all}"]`)) box.checked = event.target.checked;
		}
	});
	document.addEventListener("keydown", (event) => {
		if (event.key !== "/" || event.ctrlKey || event.metaKey || event.target.closest("input, textarea, select")) return;
		const search = document.querySelector("input[type=search]");
		if (search) { event.preventDefault(); search.focus(); }
	});

	// A page that is open for long finds out here that its session has ended, or that nobody is there.
	const offline = (is) => { document.getElementById("offline").hidden = !is; };
	const broken = (status) => {
		if (status === 401) location.reload();
		offline(true);
	};
	document.addEventListener("htmx:sse:error", (event) => broken(event.detail.status));
	document.addEventListener("htmx:before:response", (event) => { // already when it connects for the first time
		const status = event.detail.ctx.response.status;
		if (status < 400) return;
		event.preventDefault(); // what is shown stays
		broken(status);
	});
	document.addEventListener("htmx:error", () => broken());
	document.addEventListener("htmx:sse:after:connection", () => offline(false));
})();
