package architecture

// allowedRules are the arrows between rules. A block's run and a pipeline's job are tasks; a task knows of neither.
var allowedRules = map[string][]string{
	"internal/blocks":   {"internal/control"},
	"internal/pipeline": {"internal/control"},
}

// An only rule keeps a library behind few doors, so that replacing it is a change in one place.
type only struct {
	library string   // an import path; everything below it is meant too
	rooms   []string // who may import it; everything below them is meant too
	reason  string   // completes "only … may, since"
}

var onlyRules = []only{
	// The benchmark shows beside each figure what the database does without us.
	{"modernc.org/sqlite", []string{"internal/store", "bench"}, "one package speaks to databases"},
	{"database/sql", []string{"internal/store", "bench"}, "one package speaks to databases"},
	{"github.com/jackc/pgx", []string{"internal/store", "internal/postgrestest"}, "one package speaks to databases"},
	{"github.com/pressly/goose", []string{"internal/store"}, "one package speaks to databases"},
	{"gocloud.dev", []string{"internal/bucket"}, "one package speaks to buckets"},
	{"go.yaml.in/yaml", []string{"internal/yaml"}, "strictness and positions are decided once"},
	{"github.com/danielgtaylor/huma", []string{"internal/server"}, "the rules do not know HTTP"},
	{"github.com/tink-crypto", []string{"internal/seal/vault"}, "one package encrypts at rest"},
	{"filippo.io/age", []string{"internal/archive"}, "one package closes and opens a backup's key"},
	{"github.com/spf13/cobra", []string{"cmd"}, "only cmd touches arguments"},
	{"github.com/spf13/pflag", []string{"cmd"}, "only cmd touches arguments"},
	{"github.com/opentofu/tofudl", []string{"internal/toolshed/fetch"}, "what checks signatures is larger than a runner"},
	{"github.com/hashicorp/hc-install", []string{"internal/toolshed/fetch"}, "what checks signatures is larger than a runner"},
	{"charm.land", []string{"cmd"}, "only cmd touches the terminal"},
	{"github.com/knadh/koanf", []string{"cmd"}, "only cmd touches the environment and configuration files"},
}

// unheard are what rules must not import: a rule holds whoever asks and by whatever wire. SQL is kept from them above.
var unheard = []string{"net/http"}

// light are the rooms that are put into every task or rest on every machine. Whatever they import, however far away,
// is paid for there: linked with the libraries below, an idle runner rests at 36 MB instead of 7.5 MB.
var light = []string{"cmd/remuda-agent", "runner", "internal/machine", "agent", "internal/job", "internal/tofu", "internal/meshstackplane", "client"}

// heavy are the libraries that only the control plane may carry.
var heavy = []string{
	"k8s.io/client-go",
	"gocloud.dev",
	"github.com/aws/aws-sdk-go-v2",
	"go.opentelemetry.io",
	"cel.dev/cel-go",
	"github.com/google/cel-go",
	"modernc.org/sqlite",
	"github.com/danielgtaylor/huma",
	"github.com/prometheus",
	"github.com/tink-crypto",
	"github.com/opentofu/tofudl",
	"github.com/hashicorp/hc-install",
	"github.com/ProtonMail",
}

// nameless are last elements of import paths that say nothing about what lies inside.
var nameless = []string{"util", "utils", "common", "helper", "helpers", "types", "model", "models", "base", "core", "manager", "service", "misc", "shared"}
