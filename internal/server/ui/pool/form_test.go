package pool_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
)

func TestAClassIsMadeChangedAndDeletedByForms(t *testing.T) {
	site := ranch(t)
	v := signIn(t, site, as(t, site, remuda.RoleAdmin))
	code, body := v.post("/resource-classes/new", "name", "No Good", "description", "mine", "access", "owner", "task_limit", "many", "lost_after", "soon")
	v.says(code, body, 422, `value="No Good"`, `value="mine"`, "a whole number", "expected a duration")
	code, body = v.post("/resource-classes/new", "name", "No Good", "access", "owner")
	v.says(code, body, 422, "1 to 64 of a-z")
	code, body = v.post("/resource-classes/new", "name", "linux", "access", "owner")
	v.says(code, body, 422, "choose another name")
	code, body = v.post("/resource-classes/new", "name", "arm", "access", "some", "organizations", "nobody")
	v.says(code, body, 422, "nobody")
	code, body = v.post("/resource-classes/new", "name", "arm", "access", "some", "organizations", "rodeo", "task_limit", "3", "lost_after", "2m", "allow_forks", "yes")
	v.says(code, body, 200, "The resource class acme/arm is there.", "acme, rodeo", "of at most 3", "2m", "public projects that build forks may use it")

	code, body = v.get("/resource-classes/acme/arm/change")
	v.says(code, body, 200, `value="rodeo"`, `value="3"`, `value="2m"`, "checked")
	code, body = v.post("/resource-classes/acme/arm/change", "access", "all")
	v.says(code, body, 403, "admin token")
	code, body = v.post("/resource-classes/acme/arm/change", "access", "owner", "organizations", "rodeo")
	v.says(code, body, 422, "only when its access is some")
	code, body = v.post("/resource-classes/acme/arm/change", "access", "owner", "description", "Raspberry Pi")
	v.says(code, body, 200, "The resource class is changed.", "Raspberry Pi", "acme alone", "10m", "refused to public projects")
	v.hides(body, "of at most")

	classToken(t, site, "acme/arm")
	code, body = v.post("/resource-classes/acme/arm/delete")
	v.says(code, body, 409, "revoke them first")
	code, body = v.post("/resource-classes/acme/arm/delete", "force", "yes")
	v.says(code, body, 200, "The resource class acme/arm is deleted.")
	v.hides(body, `href="/resource-classes/acme/arm"`)
}

func TestAnAdministratorChoosesForWhichOrganizationAClassIs(t *testing.T) {
	site := ranch(t)
	v := signIn(t, site, site.AdminToken)
	code, body := v.get("/resource-classes/new")
	v.says(code, body, 200, "<option>acme</option>", "<option>rodeo</option>")
	code, body = v.get("/resource-classes/new?organization=rodeo")
	v.says(code, body, 200, "rodeo/")
	code, body = v.post("/resource-classes/new", "organization", "rodeo", "name", "arm", "access", "all")
	v.says(code, body, 200, "The resource class rodeo/arm is there.", "every organization")
	code, body = v.get("/resource-classes?organization=acme")
	v.says(code, body, 200, "acme/linux")
	v.hides(body, "rodeo/arm")
	code, body = v.get("/resource-classes?namespace=nowhere")
	v.says(code, body, 200, "No resource class fits.")
}

func TestATokenIsShownOnceAndCanBeRevoked(t *testing.T) {
	site := ranch(t)
	v := signIn(t, site, as(t, site, remuda.RoleAdmin))
	for _, wrong := range [][]string{{"nickname", "web-1", "slots", "0"}, {"nickname", "web-1", "slots", "many"}, {"nickname", "", "slots", "1"}} {
		code, body := v.post("/resource-classes/acme/linux/install", wrong...)
		v.says(code, body, 422, "problem")
		v.hides(body, "rmd_cls_")
	}
	code, body := v.post("/resource-classes/acme/linux/install", "nickname", "web-1", "slots", "4")
	v.says(code, body, 200, "url: "+site.URL, "auth_token: rmd_cls_", "slots: 4", "No runner has registered with this token yet.")
	code, body = v.get("/resource-classes/acme/linux")
	v.says(code, body, 200, "web-1", "for any number of runners")
	v.hides(body, "rmd_cls_")
	_, rest, _ := strings.Cut(body, `action="/resource-classes/acme/linux/tokens/`)
	id, _, _ := strings.Cut(rest, "/")
	code, body = v.post("/resource-classes/acme/linux/tokens/" + id + "/revoke")
	v.says(code, body, 200, "The token is revoked")
	v.hides(body, id)
}

func TestRunnersAreFoundByWhatTheAddressSays(t *testing.T) {
	site := ranch(t)
	acme, rodeo := classToken(t, site, "acme/linux"), classToken(t, site, "rodeo/linux")
	named := func(name string) func(*remuda.Registration) { return func(r *remuda.Registration) { r.Name = name } }
	for n := range 51 {
		register(t, site, acme.Token, named(fmt.Sprintf("web-%d.", n)))
	}
	paused, _ := register(t, site, rodeo.Token, named("bronco"))
	got(site.Admin.PauseRunner(t.Context(), paused.ID, true))(t)
	_, leaves := register(t, site, rodeo.Token, named("leaver"))
	if err := leaves.Goodbye(t.Context()); err != nil {
		t.Fatal(err)
	}
	v := signIn(t, site, site.AdminToken)
	look := func(path, there, absent string) string {
		t.Helper()
		code, body := v.get(path)
		v.says(code, body, 200, there)
		v.hides(body, absent)
		return body
	}
	look("/runners", "bronco", "leaver")
	look("/runners?class=rodeo/linux", "bronco", "web-50.")
	look("/runners?organization=rodeo", "bronco", "web-50.")
	look("/runners?state=paused", "bronco", "web-50.")
	look("/runners?state=idle&class=acme/linux", "web-50.", "bronco")
	look("/runners?state=lost", "leaver", "bronco")
	look("/runners?state=busy", "No runner fits.", "bronco")
	first := look("/runners?class=acme/linux", "web-50.", "web-0.")
	_, rest, _ := strings.Cut(first, `<a href="/runners?class=acme%2Flinux&amp;cursor=`)
	cursor, _, _ := strings.Cut(rest, `"`)
	look("/runners?class=acme%2Flinux&cursor="+cursor, "web-0.", "web-50.")
	code, body := v.get("/runners?state=tired")
	v.says(code, body, 422, "choose a state")
}
