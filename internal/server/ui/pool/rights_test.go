package pool_test

import (
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

func TestAViewerSeesNoButtonsAndMayDoNothing(t *testing.T) {
	site := ranch(t)
	token := classToken(t, site, "acme/linux")
	runner, _ := register(t, site, token.Token, usual)
	v := signIn(t, site, as(t, site, remuda.RoleViewer))

	code, body := v.get("/resource-classes/acme/linux")
	v.says(code, body, 200, "web-1", "runnable")
	v.hides(body, "/install", "/change", "Class tokens", "Revoke", token.ID)
	code, body = v.get("/resource-classes")
	v.says(code, body, 200, "acme/linux", "1 idle")
	v.hides(body, "/resource-classes/new")
	code, body = v.get("/runners/" + runner.ID)
	v.says(code, body, 200, "web-1.example.com", "job, docker")
	v.hides(body, "/pause", "/resume", "/drain")

	for _, path := range []string{"/resource-classes/new", "/resource-classes/acme/linux/change", "/resource-classes/acme/linux/install"} {
		code, body = v.get(path)
		v.says(code, body, 403, "the role admin in acme")
	}
	for _, path := range []string{
		"/resource-classes/new", "/resource-classes/acme/linux/change", "/resource-classes/acme/linux/delete",
		"/resource-classes/acme/linux/install", "/resource-classes/acme/linux/tokens/" + token.ID + "/revoke",
		"/runners/" + runner.ID + "/pause", "/runners/" + runner.ID + "/resume", "/runners/" + runner.ID + "/drain",
	} {
		code, body = v.post(path, "nickname", "n", "slots", "1", "name", "fast", "access", "owner")
		v.says(code, body, 403, "the role admin in acme")
	}
	code, body = v.post("/resource-classes/namespace", "organization", "acme", "name", "more")
	v.says(code, body, 403, "the role admin in acme")
	if state := got(site.Admin.Runner(t.Context(), runner.ID))(t).State; state != remuda.RunnerIdle {
		t.Errorf("the runner is %s", state)
	}
}

func TestWhatBelongsToAnotherOrganizationIsNotThere(t *testing.T) {
	site := ranch(t)
	token := classToken(t, site, "rodeo/linux")
	runner, _ := register(t, site, token.Token, func(r *remuda.Registration) { r.Name = "bronco" })
	v := signIn(t, site, as(t, site, remuda.RoleAdmin))
	for _, path := range []string{
		"/resource-classes/rodeo/linux", "/resource-classes/rodeo/linux/change", "/resource-classes/rodeo/linux/install",
		"/live/resource-classes/rodeo/linux", "/live/resource-classes/rodeo/linux/arrivals?token=" + token.ID,
		"/runners/" + runner.ID, "/runners?class=rodeo/linux", "/runners?organization=rodeo", "/resource-classes/new?organization=rodeo",
	} {
		code, body := v.get(path)
		v.says(code, body, 404)
		v.hides(body, "bronco")
	}
	for _, path := range []string{
		"/resource-classes/rodeo/linux/change", "/resource-classes/rodeo/linux/delete", "/resource-classes/rodeo/linux/install",
		"/resource-classes/rodeo/linux/tokens/" + token.ID + "/revoke", "/resource-classes/acme/linux/tokens/" + token.ID + "/revoke",
		"/runners/" + runner.ID + "/pause", "/runners/" + runner.ID + "/drain",
	} {
		code, body := v.post(path, "nickname", "n", "slots", "1", "access", "owner")
		v.says(code, body, 404)
	}
	code, body := v.get("/resource-classes")
	v.says(code, body, 200, "acme/linux")
	v.hides(body, "rodeo/linux")

	// A hosted class can be used, and shows who asks no more than that.
	hosted := remuda.AccessAll
	got(site.Admin.ChangeResourceClass(t.Context(), "rodeo/linux", control.ResourceClassChange{Access: &hosted}))(t)
	code, body = v.get("/resource-classes/rodeo/linux")
	v.says(code, body, 200, "1 connected", "every organization")
	v.hides(body, "bronco", token.ID, "runnable", "/install")
	code, body = v.get("/resource-classes/rodeo/linux/install")
	v.says(code, body, 403, "the role admin in rodeo")
}

func TestAScriptInATextOfUsersStaysText(t *testing.T) {
	const script = `<script>alert("x")</script>`
	site := ranch(t)
	description := script
	got(site.Admin.ChangeResourceClass(t.Context(), "acme/linux", control.ResourceClassChange{Description: &description}))(t)
	token := site.Token(t, remuda.Token{Kind: remuda.ClassToken, ResourceClass: "acme/linux", Nickname: script})
	runner, _ := register(t, site, token.Token, func(r *remuda.Registration) {
		r.Name, r.Hostname, r.Version, r.OS, r.Arch, r.Capabilities = script, script, script, script, script, []string{script}
	})
	v := signIn(t, site, as(t, site, remuda.RoleAdmin))
	for _, path := range []string{
		"/resource-classes", "/resource-classes/acme/linux", "/resource-classes/acme/linux/change", "/runners", "/runners/" + runner.ID,
		"/resource-classes?namespace=%3Cscript%3Ealert(%22x%22)%3C/script%3E",
	} {
		code, body := v.get(path)
		v.says(code, body, 200, "&lt;script&gt;alert")
		v.hides(body, "<script>alert")
	}
	code, body := v.post("/resource-classes/acme/linux/install", "nickname", script, "slots", "1")
	v.says(code, body, 200, "&lt;script&gt;alert", "rmd_cls_")
	v.hides(body, "<script>alert")
}
