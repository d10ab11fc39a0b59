import { mount } from "svelte";
import App from "./App.svelte";
import "./app.css";

mount(App, { target: document.getElementById("app") as HTMLElement });
// What is on the page now answers: `tests/bench/startup.mjs` reads when that was.
performance.mark("interactive");
