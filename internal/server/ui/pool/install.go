package pool

import (
	"bytes"
	"encoding/json"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// installing is the way to a runner: a token, what to type on its machine, its first sign, its first task.
type installing struct {
	Class   remuda.ResourceClass
	Token   remuda.Token // with its secret: the page that has it is shown once
	Slots   int
	Address string // of the control plane

	Nickname, SlotsSaid string
	Wrong               *remuda.Error
}

const mostSlots = 10000

func showInstall(v *page.Visit) (page.View, error) {
	class, err := changeable(v)
	if err != nil {
		return page.View{}, err
	}
	i := installing{Class: class, SlotsSaid: "1"}
	return i.view(i.ask()), nil
}

func (i installing) view(body templ.Component) page.View {
	view := page.View{
		Title: "Install a runner", Area: page.Classes, Trail: trail(i.Class.Name), Body: body, Still: true, Files: styles(),
	}
	if i.Wrong != nil {
		view.Code = 422
	}
	return view
}

// install makes a token. The answer is the page that has it: it stands in no address, and nobody is shown it again.
func install(v *page.Visit) (page.Answer, error) {
	class, err := changeable(v)
	if err != nil {
		return page.Answer{}, err
	}
	i := installing{Class: class, Address: v.Address(), Nickname: v.Form("nickname"), SlotsSaid: v.Form("slots")}
	if i.Slots, err = strconv.Atoi(i.SlotsSaid); err != nil || i.Slots < 1 || i.Slots > mostSlots {
		i.Wrong = remuda.Fail(remuda.Invalid, "A runner carries out 1 to 10000 tasks at once.")
		return i.again(), nil
	}
	i.Token, err = v.Door.CreateToken(v.Context(), remuda.Token{Kind: remuda.ClassToken, ResourceClass: class.Name, Nickname: i.Nickname})
	if told, about := page.Problem(err); err != nil && about {
		i.Wrong = &told
		return i.again(), nil
	}
	if err != nil {
		return page.Answer{}, err
	}
	view := i.view(i.walk())
	return page.Answer{View: &view}, nil
}

// again is the form with what is wrong with it.
func (i installing) again() page.Answer {
	view := i.view(i.ask())
	return page.Answer{View: &view}
}

// arrivals is where one sees who registers with the token.
func (i installing) arrivals() string {
	return page.Address(classPath(i.Class.Name)+"/arrivals", "token", i.Token.ID)
}

// showArrivals are the runners that registered with a token, by its id.
func showArrivals(v *page.Visit) (templ.Component, error) {
	token := v.Query("token")
	if token == "" {
		return nil, remuda.Fail(remuda.Invalid, "This needs the id of a token.")
	}
	found, err := v.Door.Runners(v.Context(), control.RunnerFilter{ResourceClass: className(v), Token: token}, control.PageQuery{Limit: mostRunners})
	if err != nil {
		return nil, err
	}
	return arrived(found.Items), nil
}

// insecure says whether the machine's runner must be told to send its token without TLS.
func (i installing) insecure() bool {
	at, err := url.Parse(i.Address)
	if err != nil || at.Scheme != "http" {
		return false
	}
	host := at.Hostname()
	ip := net.ParseIP(host)
	return host != "localhost" && (ip == nil || !ip.IsLoopback())
}

// config is the runner's configuration, with its token in it.
func (i installing) config() string {
	var text strings.Builder
	text.WriteString("api:\n  url: " + i.Address + "\n  auth_token: " + i.Token.Token + "\n")
	if i.insecure() {
		text.WriteString("  insecure: true\n")
	}
	text.WriteString("runner:\n  name: " + quoted(i.Nickname) + "\n  slots: " + strconv.Itoa(i.Slots) + "\n")
	return text.String()
}

// quoted is a text as YAML has it in quotes: what JSON says, YAML understands.
func quoted(text string) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // a string can always be encoded
	return strings.TrimSpace(out.String())
}

// What is typed on the machine. The configuration is pasted into a program that waits for it, so that the token comes
// into no shell's history and no list of processes.
const (
	putBinaries = "make build && sudo install -m 755 bin/remuda bin/remuda-agent /usr/local/bin/"
	keepConfig  = "sudo sh -c 'umask 077; mkdir -p /etc/remuda; cat > /etc/remuda/runner.yml'"
	keepHere    = "(umask 077; cat > runner.yml)"
	runHere     = "remuda runner --config runner.yml"
	writeUnit   = `sudo tee /etc/systemd/system/remuda-runner.service <<'END'
[Unit]
Description=Remuda runner
Wants=network-online.target
After=network-online.target
[Service]
ExecStart=/usr/local/bin/remuda runner --config /etc/remuda/runner.yml
ExecReload=/bin/kill -HUP $MAINPID
KillMode=process
TimeoutStopSec=6h
Restart=always
RestartPreventExitStatus=2
[Install]
WantedBy=multi-user.target
END
`
	startUnit = "sudo systemctl daemon-reload && sudo systemctl enable --now remuda-runner"
)

func (i installing) login() string {
	command := "remuda login --url " + i.Address
	if i.insecure() {
		command += " --insecure"
	}
	return command
}

func (i installing) firstTask() string {
	return "remuda run --org " + i.Class.Organization + " --resource-class " + i.Class.Name + " -- echo hello"
}

// slug is a class's name as names elsewhere allow it.
func slug(class string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, class)
}
