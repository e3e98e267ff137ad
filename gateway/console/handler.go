package console

import (
	"embed"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/netip"
	"path"
	"strconv"
	"strings"
	"time"

	"jali/gateway"
	"jali/gateway/identity"
)

// Prefix is where the console lies.
const Prefix = "/console/"

//go:embed all:dist
var built embed.FS

// policy of everything below Prefix: code and styles from here only, no inline code, no eval but of WebAssembly, nothing framed, no forms.
const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; connect-src 'self'; worker-src 'self'; img-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Handler serves what lies below Prefix.
type Handler struct {
	sessions *Sessions
	gateway  *gateway.Gateway
	files    fs.FS
}

// NewHandler serves the console that was built into this program.
func NewHandler(g *gateway.Gateway, s *Sessions) *Handler {
	files, err := fs.Sub(built, "dist")
	if err != nil {
		panic(err) // the name is a constant
	}
	return &Handler{sessions: s, gateway: g, files: files}
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Content-Security-Policy", policy)
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("Cross-Origin-Opener-Policy", "same-origin")
	head.Set("Cross-Origin-Resource-Policy", "same-origin")
	head.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	switch name := strings.TrimPrefix(r.URL.Path, Prefix); name {
	case "session":
		h.session(w, r)
	case "link":
		h.link(w, r)
	default:
		h.file(w, r, name)
	}
}

// person is who is signed in, for the page to show. It holds no secret.
type person struct {
	Name  string        `json:"name"`
	Org   string        `json:"org"`
	Role  identity.Role `json:"role"`
	How   string        `json:"how"` // certificate or link
	Until time.Time     `json:"until"`
}

// session tells who is signed in (GET), signs in with a one-time code (POST) or out (DELETE).
func (h *Handler) session(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
		h.who(w, r)
	case http.MethodPost:
		h.signIn(w, r)
	case http.MethodDelete:
		h.sessions.End(r)
		http.SetCookie(w, &http.Cookie{Name: cookie, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Allow", "GET, POST, DELETE")
		say(w, http.StatusMethodNotAllowed, "method not allowed")
	}
}

func (h *Handler) who(w http.ResponseWriter, r *http.Request) {
	if r.TLS == nil {
		say(w, http.StatusUnauthorized, "nobody is signed in")
		return
	}
	state, how, until := *r.TLS, "certificate", time.Time{}
	if len(state.VerifiedChains) > 0 {
		until = state.VerifiedChains[0][0].NotAfter
	} else if found, end := h.sessions.find(r); found != nil {
		state, how, until = *found, "link", end
	}
	p, err := h.sessions.trust.Certificate(state)
	if err != nil {
		say(w, http.StatusUnauthorized, "nobody is signed in")
		return
	}
	reply(w, person{p.Name, p.Org, p.Role, how, until.UTC()})
}

// Bounds on what a browser sends to sign in.
const (
	maxBody  = 1 << 10
	bodyTime = 10 * time.Second
)

func (h *Handler) signIn(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Code string `json:"code"`
	}
	if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime)); err != nil {
		say(w, http.StatusServiceUnavailable, "try again later")
		return
	}
	// Only JSON: a form of another site cannot send it.
	if r.Header.Get("Content-Type") != "application/json" || json.NewDecoder(io.LimitReader(r.Body, maxBody)).Decode(&in) != nil {
		say(w, http.StatusBadRequest, "send the code as JSON")
		return
	}
	from := addressOf(r)
	token, err := h.sessions.Redeem(in.Code, func(who identity.Principal) error { return h.gateway.SignedIn(r.Context(), who, from) })
	switch {
	case errors.Is(err, ErrCode), errors.Is(err, identity.ErrNoPrincipal):
		if err := h.gateway.SignInFailed(r.Context(), from); err != nil {
			say(w, http.StatusServiceUnavailable, "not recorded, so not done: try again later")
			return
		}
		say(w, http.StatusForbidden, ErrCode.Error())
	case err != nil:
		say(w, http.StatusServiceUnavailable, "not recorded, so not done: try again later")
	default:
		http.SetCookie(w, &http.Cookie{Name: cookie, Value: token, Path: "/", MaxAge: int(SessionLife.Seconds()), Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
		w.WriteHeader(http.StatusNoContent)
	}
}

// link gives the holder of a client certificate a one-time code. A session does not suffice: it would renew itself for ever.
func (h *Handler) link(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		say(w, http.StatusMethodNotAllowed, "method not allowed")
		return
	}
	if r.TLS == nil {
		say(w, http.StatusUnauthorized, "present a client certificate")
		return
	}
	text, expires, err := h.sessions.Offer(*r.TLS)
	if err != nil {
		say(w, http.StatusUnauthorized, "present a client certificate")
		return
	}
	reply(w, struct {
		// Path is to be opened in a browser. The code stands after #, where no server and no log sees it.
		Path    string    `json:"path"`
		Expires time.Time `json:"expires"`
	}{Prefix + "#code=" + text, expires.UTC()})
}

func addressOf(r *http.Request) netip.Addr {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr()
}

// kinds are the types of the files that are built. Others are not served.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".wasm": "application/wasm", ".svg": "image/svg+xml", ".json": "application/json",
}

// file serves a file of the build, compressed beforehand where the browser takes it. Names below assets/ hold a digest of their content and may be kept.
func (h *Handler) file(w http.ResponseWriter, r *http.Request, name string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		say(w, http.StatusMethodNotAllowed, "method not allowed")
		return
	}
	if name == "" {
		name = "index.html"
	}
	kind := kinds[path.Ext(name)]
	if kind == "" || !fs.ValidPath(name) {
		say(w, http.StatusNotFound, "no such page")
		return
	}
	body, encoding, err := h.read(name, r.Header.Get("Accept-Encoding"))
	switch {
	case errors.Is(err, errEncoding):
		say(w, http.StatusNotAcceptable, "this file is there as br only")
		return
	case err != nil && name == "index.html":
		say(w, http.StatusNotFound, "the console is not in this program: build it with make build")
		return
	case err != nil:
		say(w, http.StatusNotFound, "no such page")
		return
	}
	head := w.Header()
	head.Set("Content-Type", kind)
	head.Set("Vary", "Accept-Encoding")
	head.Set("Content-Length", strconv.Itoa(len(body)))
	if encoding != "" {
		head.Set("Content-Encoding", encoding)
	}
	if strings.HasPrefix(name, "assets/") {
		head.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		head.Set("Cache-Control", "no-cache")
	}
	if r.Method == http.MethodGet {
		w.Write(body) // a browser that has gone away is no failure of ours
	}
}

var errEncoding = errors.New("not in an encoding that is accepted")

func (h *Handler) read(name, accept string) (body []byte, encoding string, err error) {
	if accepts(accept, "br") {
		if body, err = fs.ReadFile(h.files, name+".br"); err == nil {
			return body, "br", nil
		}
	}
	body, err = fs.ReadFile(h.files, name)
	if errors.Is(err, fs.ErrNotExist) {
		if _, e := fs.Stat(h.files, name+".br"); e == nil {
			return nil, "", errEncoding
		}
	}
	return body, "", err
}

// accepts reports whether an encoding is listed and not refused by q=0.
func accepts(header, encoding string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, quality, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.TrimSpace(name) == encoding {
			q := strings.TrimSpace(quality)
			return q != "q=0" && q != "q=0.0" && q != "q=0.00" && q != "q=0.000"
		}
	}
	return false
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"message": text})
}
