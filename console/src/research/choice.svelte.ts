// The agreement, purpose and data set that a researcher works under, for all views.
import { budgets, catalogs, failureOf } from "../lib/api";
import type { Agreement, GetBudgetResponse } from "../gen/jali/v1/budget_pb";
import type { Dataset } from "../gen/jali/v1/catalog_pb";

export const choice: {
  agreements: Agreement[];
  agreement: Agreement | null;
  purpose: string;
  dataset: Dataset | null;
  budget: GetBudgetResponse | null;
  problem: string;
  loaded: boolean;
} = $state({ agreements: [], agreement: null, purpose: "", dataset: null, budget: null, problem: "", loaded: false });

let loading: Promise<void> | undefined;

export function load() {
  loading ??= (async () => {
    try {
      choice.agreements = (await budgets.listAgreements({})).agreements.filter((a) => a.state === "active");
      choice.loaded = true;
      const first = choice.agreements[0];
      if (first) await choose(first.id);
    } catch (e) {
      choice.problem = failureOf(e).text;
      loading = undefined;
    }
  })();
  return loading;
}

export async function choose(id: string, dataset = "") {
  const a = choice.agreements.find((x) => x.id === id);
  if (!a) return;
  choice.agreement = a;
  if (!a.purposes.includes(choice.purpose)) choice.purpose = a.purposes[0] ?? "";
  const [d] = await Promise.all([catalogs.getDataset({ id: dataset || a.datasets[0] }).catch(() => null), refresh()]);
  choice.dataset = d;
}

export async function refresh() {
  if (choice.agreement) choice.budget = await budgets.getBudget({ agreement: choice.agreement.id }).catch(() => choice.budget);
}
