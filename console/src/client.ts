// The typed client for other TypeScript programs: every service of the contract over one transport (docs/clients.md). In a browser the page's own
// origin and cookie are used; elsewhere give a transport with a client certificate, as @connectrpc/connect-node makes one. Receipts are not
// verified here: hand result and receipt to the verifier (audit/wasm) or to `jali receipt verify`.
import { createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { AuditService } from "./gen/jali/v1/audit_pb";
import { BudgetService } from "./gen/jali/v1/budget_pb";
import { CatalogService } from "./gen/jali/v1/catalog_pb";
import { CohortService } from "./gen/jali/v1/cohort_pb";
import { QueryService } from "./gen/jali/v1/query_pb";

/** Clients of a gateway: one per service, typed from the contract. */
export const connect = (transport: Transport = createConnectTransport({ baseUrl: location.origin, useBinaryFormat: true })) => ({
  audit: createClient(AuditService, transport),
  budget: createClient(BudgetService, transport),
  catalog: createClient(CatalogService, transport),
  cohort: createClient(CohortService, transport),
  query: createClient(QueryService, transport),
});

export type * from "./gen/jali/v1/audit_pb";
export type * from "./gen/jali/v1/budget_pb";
export type * from "./gen/jali/v1/catalog_pb";
export type * from "./gen/jali/v1/cohort_pb";
export type * from "./gen/jali/v1/query_pb";
