import { mount } from "svelte";
import App from "./App.svelte";
import "./style.css";
import { begin } from "./lib/session.svelte";
import { chooseLanguage } from "./i18n/index.svelte";

// Language and sign-in first: both are one small request at most, and nothing is drawn twice.
await Promise.all([chooseLanguage(), begin()]);
mount(App, { target: document.getElementById("app")! });
document.documentElement.dataset.ready = "";
