// Clients of the gateway's services, and what went wrong in words. Requests go to the origin the page came from, with its cookie or certificate.
import { Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { BadRequestSchema, ErrorInfoSchema, LocalizedMessageSchema, PreconditionFailureSchema } from "../gen/error_details_pb";
import { AuditService } from "../gen/jali/v1/audit_pb";
import { BudgetService } from "../gen/jali/v1/budget_pb";
import { CatalogService } from "../gen/jali/v1/catalog_pb";
import { OperatorService } from "../gen/jali/v1/operator_pb";
import { QueryService } from "../gen/jali/v1/query_pb";

// A session that has ended is noticed at the next call, whatever it is.
let ended = () => {};
export const onSessionEnd = (f: () => void) => (ended = f);

const noticing: Interceptor = (next) => async (request) => {
  try {
    return await next(request);
  } catch (e) {
    if (ConnectError.from(e).code === Code.Unauthenticated) ended();
    throw e;
  }
};

// Reading a long log takes many calls, and the gateway limits how many a second: then the next one waits. Only reads of the log are repeated; whatever
// could cost something is not.
const waiting: Interceptor = (next) => async (request) => {
  for (let attempt = 0; ; attempt++) {
    try {
      return await next(request);
    } catch (e) {
      const c = ConnectError.from(e);
      if (request.stream || request.service.typeName !== AuditService.typeName || c.code !== Code.ResourceExhausted || attempt >= 30) throw e;
      await new Promise((resume) => setTimeout(resume, 1000));
    }
  }
};

export const transport = createConnectTransport({
  baseUrl: location.origin,
  useBinaryFormat: true,
  interceptors: [noticing, waiting],
  fetch: (input, init) => fetch(input, { ...init, credentials: "same-origin", redirect: "error" }),
});

export const audits = createClient(AuditService, transport);
export const budgets = createClient(BudgetService, transport);
export const catalogs = createClient(CatalogService, transport);
export const operators = createClient(OperatorService, transport);
export const queries = createClient(QueryService, transport);

// Failure is an error of the gateway as docs/api.md describes it.
export interface Failure {
  code: string;
  text: string;
  hint: string;
  decision?: string;
  line?: number;
  column?: number;
  reasons: { code: string; text: string; hint: string }[];
}

export function failureOf(e: unknown): Failure {
  const c = ConnectError.from(e);
  const info = c.findDetails(ErrorInfoSchema)[0];
  const place = c.findDetails(BadRequestSchema)[0]?.fieldViolations.map((v) => /^sql:(\d+):(\d+)$/.exec(v.field)).find((m) => m);
  return {
    code: info?.reason ?? Code[c.code] ?? "UNKNOWN",
    text: c.rawMessage,
    hint: c.findDetails(LocalizedMessageSchema)[0]?.message ?? "",
    decision: info?.metadata.decision,
    line: place ? Number(place[1]) : undefined,
    column: place ? Number(place[2]) : undefined,
    reasons: (c.findDetails(PreconditionFailureSchema)[0]?.violations ?? []).map((v) => ({ code: v.type, text: v.description, hint: v.subject })),
  };
}
