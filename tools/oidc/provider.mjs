// An OpenID provider for tests: oidc-provider (certified by the OpenID Foundation) on loopback, with accounts, keys and lifetimes that the test sets.
// One JSON object per line on standard input changes the settings; each is answered by one line on standard output, the first with the issuer.
//
//   {"keys": [JWK...], "alg": "ES256", "ttl": 300, "user": "ada", "groups": {"ada": ["researchers"]}, "audience": "jali"}
//
// With "origin" it also has the clients "jali-console" (client_secret_basic) and "jali-console-public" (none) of the gateway there, and shows these a page where somebody types
// a name, or cancels; they stay signed in. Elsewhere nobody types anything: whoever begins a login is "user". A client certificate comes in the header X-Test-Certificate, as a TLS proxy in front of
// a provider passes it on.
import { createInterface } from "node:readline";
import { createServer } from "node:http";
import Provider from "oidc-provider";

const settings = { keys: [], alg: "ES256", ttl: 300, user: "ada", groups: {}, audience: "jali", origin: "" };
const native = { token_endpoint_auth_method: "none", application_type: "native", id_token_signed_response_alg: "ES256" };
const secret = "a secret of the tests only";
const web = () => settings.origin && { redirect_uris: [settings.origin + "/console/callback"], post_logout_redirect_uris: [settings.origin + "/console/"], response_types: ["code"],
	grant_types: ["authorization_code"], id_token_signed_response_alg: "ES256" };
const page = (title, body) => `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title><main><h1>${title}</h1>${body}</main>`;
let handle = (_, response) => response.writeHead(503).end();

const server = createServer((request, response) => handle(request, response));
server.listen(0, "127.0.0.1");

function build(issuer) {
	const provider = new Provider(issuer, {
		jwks: { keys: settings.keys },
		clients: [
			{ client_id: "jali-cli", redirect_uris: ["http://127.0.0.1/callback"], response_types: ["code"],
				grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"], ...native },
			{ client_id: "service", client_secret: secret, grant_types: ["client_credentials"], redirect_uris: [], response_types: [],
				id_token_signed_response_alg: "ES256" },
			{ client_id: "bound", client_secret: secret, grant_types: ["client_credentials"], redirect_uris: [], response_types: [],
				id_token_signed_response_alg: "ES256", tls_client_certificate_bound_access_tokens: true },
			...(web() ? [{ client_id: "jali-console", client_secret: secret, ...web() }, { client_id: "jali-console-public", token_endpoint_auth_method: "none", ...web() }] : []),
		],
		pkce: { required: () => true },
		enabledJWA: { idTokenSigningAlgValues: ["ES256", "RS256", "PS256", "EdDSA"] },
		scopes: ["openid", "offline_access", "jali"],
		ttl: { AccessToken: () => settings.ttl, ClientCredentials: () => settings.ttl, RefreshToken: 3600, Grant: 3600, Session: 3600, Interaction: 600, DeviceCode: 600, IdToken: 300 },
		features: {
			devInteractions: { enabled: false },
			deviceFlow: {
				enabled: true,
				userCodeInputSource: async (ctx, form) => { ctx.body = form; },
				userCodeConfirmSource: async (ctx, form) => { ctx.body = form; },
				successSource: async (ctx) => { ctx.body = "done"; },
			},
			rpInitiatedLogout: {
				enabled: true,
				logoutSource: async (ctx, form) => { ctx.body = page("Sign out?", form + '<button type="submit" form="op.logoutForm" name="logout" value="yes">Sign out</button>'); },
				postLogoutSuccessSource: async (ctx) => { ctx.body = page("Signed out", ""); },
			},
			clientCredentials: { enabled: true },
			mTLS: {
				enabled: true, certificateBoundAccessTokens: true,
				getCertificate: (ctx) => { const h = ctx.get("X-Test-Certificate"); return h ? decodeURIComponent(h) : undefined; },
			},
			resourceIndicators: {
				enabled: true,
				defaultResource: () => "urn:jali",
				useGrantedResource: () => true,
				getResourceServerInfo: () => ({
					scope: "jali", audience: settings.audience, accessTokenTTL: settings.ttl, accessTokenFormat: "jwt", jwt: { sign: { alg: settings.alg } },
				}),
			},
		},
		interactions: { url: (_, interaction) => "/login/" + interaction.uid },
		findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
		issueRefreshToken: () => true,
		extraTokenClaims: (_, token) => ({ groups: settings.groups[token.accountId ?? token.clientId] ?? [] }),
		loadExistingGrant: async (ctx) => {
			const before = ctx.oidc.session.grantIdFor(ctx.oidc.client.clientId); // codes of an earlier sign-in, in another tab, stay good
			if (before) return ctx.oidc.provider.Grant.find(before);
			const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
			grant.addOIDCScope("openid offline_access jali");
			grant.addResourceScope("urn:jali", "jali");
			await grant.save();
			return grant;
		},
		cookies: { keys: ["a key of the tests only"] },
	});
	provider.on("server_error", (_, err) => console.error(err));
	const serve = provider.callback();
	return async (request, response) => {
		if (request.url.startsWith("/login/")) {
			await login(provider, request, response);
			return;
		}
		serve(request, response);
	};
}

async function login(provider, request, response) {
	const { params } = await provider.interactionDetails(request, response);
	let user = settings.user;
	if (params.client_id.startsWith("jali-console")) {
		if (request.method !== "POST") {
			response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
			response.end(page("Agency login", `<form method="post"><label>Name <input name="user" required></label> <button>Sign in</button> <button name="cancel" value="yes" formnovalidate>Cancel</button></form>`));
			return;
		}
		let body = "";
		for await (const part of request) body += part;
		const form = new URLSearchParams(body);
		if (form.get("cancel")) {
			await provider.interactionFinished(request, response, { error: "access_denied", error_description: "somebody changed their mind" });
			return;
		}
		user = form.get("user");
	}
	await provider.interactionFinished(request, response, { login: { accountId: user }, consent: {} }, { mergeWithLastSubmission: false });
}

server.on("listening", () => {
	const issuer = `http://127.0.0.1:${server.address().port}`;
	createInterface({ input: process.stdin }).on("line", (line) => {
		const changes = JSON.parse(line);
		Object.assign(settings, changes);
		if (changes.keys) handle = build(issuer); // a provider's keys are fixed, and what it has issued is gone with it
		process.stdout.write(JSON.stringify({ issuer }) + "\n");
	}).on("close", () => process.exit(0));
});
