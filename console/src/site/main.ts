import { mount } from "svelte";
import { chooseLanguage, speak } from "../i18n/index.svelte";
import { present } from "./record";
import Site from "./Site.svelte";
import "../style.css";

// The same views as in the console, but the gateway is not here: where a text speaks of it, another stands.
speak({ sealOwn: "siteSealOwn", proofKeysOwn: "siteKeysOwn", casesLead: "siteCasesLead", limitsServed: "siteLimits", detailWithheld: "siteWithheld" });
const [there] = await Promise.all([present().catch(() => false), chooseLanguage()]);
mount(Site, { target: document.getElementById("app")!, props: { there } });
document.documentElement.dataset.ready = "";
