import { mount } from "svelte";
import App from "./App.svelte";
import "./app.css";
import "./print.css";

// In a task of its own: in that of the modules it would hold the page up for a tenth of a second.
setTimeout(() => mount(App, { target: document.getElementById("app") as HTMLElement }));
