package blocks

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
)

const (
	shortestDrift = remuda.Duration(time.Minute)
	longestRun    = remuda.Duration(7 * 24 * time.Hour)
	mostFiles     = 1 << 20 // bytes of a module that lies in its version
)

// keyForm is that of the keys of inputs and outputs: names of variables, with what other tools allow in them.
var keyForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,127}$`)

// versionWriter checks what a request says of a version, and takes its secrets out.
type versionWriter struct {
	r          *Rules
	definition string            // its id, to which hashes are bound: the next version may be given those that this one shows
	known      map[string]string // secrets that a hash may stand for
	secrets    map[string]string // that it has now
	wrong      problems
}

// secret takes one out of the implementation.
func (w *versionWriter) secret(place, name string, v *remuda.Value) *remuda.Value {
	if v == nil || none(*v) {
		return nil
	}
	kept, problem := w.keep(name, *v)
	if problem != "" {
		w.wrong.add(place, problem)
	}
	return &kept
}

func (w *versionWriter) keep(name string, v remuda.Value) (remuda.Value, string) {
	if text, given := secretText(v); given {
		w.secrets[name] = text
		return remuda.Value{Hash: w.r.hash(w.definition, text)}, ""
	}
	for _, held := range w.known {
		if w.r.hash(w.definition, held) == v.Hash {
			w.secrets[name] = held
			return remuda.Value{Hash: v.Hash}, ""
		}
	}
	return remuda.Value{}, "this hash stands for no value that is known here; give the secret itself"
}

func (w *versionWriter) version(v *remuda.Version) {
	if v.Deletion == "" {
		v.Deletion = remuda.DeletionDestroy
	}
	if v.Deletion != remuda.DeletionDestroy && v.Deletion != remuda.DeletionPurge {
		w.wrong.add("body.deletion", "this is destroy or purge")
	}
	if v.DriftEvery != 0 && v.DriftEvery < shortestDrift {
		w.wrong.add("body.drift_every", "this is at least "+shortestDrift.String())
	}
	if v.Timeout < 0 || v.Timeout > longestRun {
		w.wrong.add("body.timeout", "this is at most "+longestRun.String())
	}
	w.blueprint(&v.Implementation)
	if v.Implementation.Type == remuda.BlueprintManual && v.DriftEvery != 0 {
		w.wrong.add("body.drift_every", "nothing is there to compare a manual block with")
	}
	if v.Approval && v.Implementation.Type != remuda.BlueprintOpenTofu && v.Implementation.Type != remuda.BlueprintManual {
		w.wrong.add("body.approval", "only opentofu makes a plan that can be approved; of a manual version, its owner finishes the runs")
	}
	for _, key := range slices.Sorted(maps.Keys(v.Inputs)) {
		v.Inputs[key] = w.input(key, v.Inputs[key])
	}
	if v.Implementation.Type == remuda.BlueprintManual {
		w.manualOutputs(v)
	}
	for _, key := range slices.Sorted(maps.Keys(v.Outputs)) {
		w.output("body.outputs."+key, key, v.Outputs[key])
	}
}

func (w *versionWriter) input(key string, in remuda.Input) remuda.Input {
	place := "body.inputs." + key
	if !keyForm.MatchString(key) {
		w.wrong.add(place, "a key has letters, digits and '_.-', begins with a letter or '_', and has at most 128 of them")
	}
	if !slices.Contains(valueTypes(), in.Type) {
		w.wrong.add(place+".type", "this is one of "+join(valueTypes()))
		return in
	}
	if !slices.Contains(assignments(), in.Assignment) {
		w.wrong.add(place+".assignment", "this is one of "+join(assignments()))
		return in
	}
	if _, err := whole(in.Pattern); err != nil {
		w.wrong.add(place+".pattern", "this is no regular expression of RE2: "+strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		in.Pattern = ""
	}
	selects := in.Type == remuda.TypeSingleSelect || in.Type == remuda.TypeMultiSelect
	if selects == (len(in.Choices) == 0) {
		w.wrong.add(place+".choices", "a selection has choices, and nothing else has")
	}
	if in.Environment && in.Type == remuda.TypeFile {
		w.wrong.add(place+".environment", "a file is no environment variable")
	}
	in.Default = w.preset(place+".default", defaultSecret(key), in, in.Default)
	switch in.Assignment {
	case remuda.AssignStatic:
		if in.Argument == nil || none(*in.Argument) {
			w.wrong.add(place+".argument", "a static input has its value here")
		}
		in.Argument = w.preset(place+".argument", argumentSecret(key), in, in.Argument)
	case remuda.AssignOutput:
		if _, _, ok := outputRef(in); !ok {
			w.wrong.add(place+".argument", "this is <definition id>.<output key>")
		}
	default:
		in.Argument = nil
	}
	if in.Default != nil && in.Assignment != remuda.AssignUser && in.Assignment != remuda.AssignOperator {
		w.wrong.add(place+".default", "only what people give has a default")
	}
	return in
}

// preset is a value that the version itself has for an input, in the form that its type has.
func (w *versionWriter) preset(place, name string, in remuda.Input, v *remuda.Value) *remuda.Value {
	if v == nil || none(*v) {
		return nil
	}
	if in.Sensitive {
		kept, problem := w.keep(name, *v)
		if problem == "" {
			w.secrets[name], problem = canonicalSecret(in, w.secrets[name])
			kept.Hash = w.r.hash(w.definition, w.secrets[name])
		}
		if problem != "" {
			w.wrong.add(place, problem)
		}
		return &kept
	}
	if v.Secret != nil || v.Hash != "" {
		w.wrong.add(place, "the input is not sensitive; give its value as value")
		return nil
	}
	value, problem := canonical(in, v.Value)
	if problem != "" {
		w.wrong.add(place, problem)
	}
	return &remuda.Value{Value: value}
}

// outputRef is the definition and the key that an input takes its value from.
func outputRef(in remuda.Input) (definition, key string, ok bool) {
	if in.Argument == nil {
		return "", "", false
	}
	definition, key, ok = strings.Cut(plainText(in.Argument.Value), ".")
	return definition, key, ok && definition != "" && key != ""
}

func (w *versionWriter) output(place, key string, out remuda.Output) {
	if !keyForm.MatchString(key) {
		w.wrong.add(place, "a key has letters, digits and '_.-', begins with a letter or '_', and has at most 128 of them")
	}
	switch out.Type {
	case remuda.TypeString, remuda.TypeCode, remuda.TypeInteger, remuda.TypeBoolean:
	default:
		w.wrong.add(place+".type", "this is string, code, integer or boolean")
	}
	switch out.Assignment {
	case remuda.AssignNone, remuda.AssignOutputTenant, remuda.AssignOutputSignInURL, remuda.AssignOutputResourceURL, remuda.AssignOutputSummary:
	default:
		w.wrong.add(place+".assignment", "this is platform_tenant_id, sign_in_url, resource_url or summary, or nothing")
	}
}

// manualOutputs derives the outputs of a manual version from its inputs, one each. What is said of one may change how
// it is called, where it stands and what is done with it.
func (w *versionWriter) manualOutputs(v *remuda.Version) {
	outputs := map[string]remuda.Output{}
	for key, in := range v.Inputs {
		kind := in.Type
		switch kind {
		case remuda.TypeSingleSelect, remuda.TypeFile:
			kind = remuda.TypeString
		case remuda.TypeMultiSelect, remuda.TypeList:
			kind = remuda.TypeCode
		}
		outputs[key] = remuda.Output{Name: in.Name, Type: kind, Sensitive: in.Sensitive, Order: in.Order}
	}
	for key, said := range v.Outputs {
		out, is := outputs[key]
		if !is {
			w.wrong.add("body.outputs."+key, "the outputs of a manual version follow from its inputs, and there is no input "+key)
			continue
		}
		if said.Name != "" {
			out.Name = said.Name
		}
		if said.Order != 0 {
			out.Order = said.Order
		}
		out.Assignment = said.Assignment
		outputs[key] = out
	}
	v.Outputs = outputs
}

func (w *versionWriter) blueprint(b *remuda.Blueprint) {
	const place = "body.implementation"
	members := map[string]bool{
		remuda.BlueprintOpenTofu: b.OpenTofu != nil, remuda.BlueprintGitHub: b.GitHub != nil,
		remuda.BlueprintGitLab: b.GitLab != nil, remuda.BlueprintAzureDevOps: b.AzureDevOps != nil,
	}
	if b.Type == "" {
		b.Type = remuda.BlueprintManual
	}
	if _, known := members[b.Type]; !known && b.Type != remuda.BlueprintManual {
		w.wrong.add(place+".type", "this is manual, opentofu, github, gitlab or azuredevops")
		return
	}
	for _, kind := range slices.Sorted(maps.Keys(members)) {
		if members[kind] != (kind == b.Type) {
			w.wrong.add(place, "an implementation has its type, and the member of that name alone")
			return
		}
	}
	switch b.Type {
	case remuda.BlueprintOpenTofu:
		copied := *b.OpenTofu
		w.opentofu(place+".opentofu", &copied)
		b.OpenTofu = &copied
	case remuda.BlueprintGitHub:
		w.need(place+".github", map[string]string{
			"integration": b.GitHub.Integration, "repository": b.GitHub.Repository, "branch": b.GitHub.Branch, "apply_workflow": b.GitHub.ApplyWorkflow,
		})
	case remuda.BlueprintGitLab:
		copied := *b.GitLab
		copied.Token = w.secret(place+".gitlab.token", "implementation/token", copied.Token)
		w.need(place+".gitlab", map[string]string{"integration": copied.Integration, "project": copied.Project, "ref": copied.Ref})
		b.GitLab = &copied
	case remuda.BlueprintAzureDevOps:
		w.need(place+".azuredevops", map[string]string{
			"integration": b.AzureDevOps.Integration, "project": b.AzureDevOps.Project, "pipeline": b.AzureDevOps.Pipeline,
		})
	}
}

// need refuses members that are empty.
func (w *versionWriter) need(place string, members map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if members[name] == "" {
			w.wrong.add(place+"."+name, "this is needed")
		}
	}
}

var exactVersion = regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`)

func (w *versionWriter) opentofu(place string, o *remuda.OpenTofuBlueprint) {
	if !exactVersion.MatchString(o.Version) {
		w.wrong.add(place+".version", "this is an exact version, such as 1.10.10")
	}
	if (o.Repository == "") == (len(o.Files) == 0) {
		w.wrong.add(place, "a module lies in a repository, or in files")
	}
	if o.Repository != "" && (remuda.Source{Repository: o.Repository}).HasPassword() {
		w.wrong.add(place+".repository", "a password in the address would be shown to everyone who may see it; put it into credentials")
	}
	size := 0
	for _, name := range slices.Sorted(maps.Keys(o.Files)) {
		size += len(o.Files[name])
		if name == "" || path.Clean(name) != name || path.IsAbs(name) || name == ".." || strings.HasPrefix(name, "../") || strings.Contains(name, `\`) {
			w.wrong.add(place+".files", fmt.Sprintf("%q is no path of a file below the module's folder", name))
		}
	}
	if size > mostFiles {
		w.wrong.add(place+".files", "the files have at most 1 MiB together")
	}
	if o.Path != "" && (path.IsAbs(o.Path) || slices.Contains(strings.Split(o.Path, "/"), "..")) {
		w.wrong.add(place+".path", "this is a folder in the repository")
	}
	o.SSHKey = w.secret(place+".ssh_key", "implementation/ssh_key", o.SSHKey)
	o.Credentials = slices.Clone(o.Credentials)
	for i := range o.Credentials {
		c := &o.Credentials[i]
		at := fmt.Sprintf("%s.credentials[%d]", place, i)
		if c.Token = w.secret(at+".token", fmt.Sprintf("implementation/credentials/%d", i), c.Token); c.Token == nil {
			w.wrong.add(at+".token", "this is needed")
		}
		if c.Host == "" {
			w.wrong.add(at+".host", "this is needed")
		}
	}
}

func valueTypes() []remuda.ValueType {
	return []remuda.ValueType{
		remuda.TypeString, remuda.TypeCode, remuda.TypeInteger, remuda.TypeBoolean, remuda.TypeFile, remuda.TypeList,
		remuda.TypeSingleSelect, remuda.TypeMultiSelect,
	}
}

func assignments() []remuda.Assignment {
	return []remuda.Assignment{
		remuda.AssignUser, remuda.AssignOperator, remuda.AssignStatic, remuda.AssignOutput, remuda.AssignWorkspace, remuda.AssignProject,
		remuda.AssignPlatform, remuda.AssignPlatformTenant, remuda.AssignTenant, remuda.AssignTenantBlock,
		remuda.AssignUserPermissions, remuda.AssignAuthor,
	}
}

func join[T ~string](values []T) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = string(v)
	}
	return strings.Join(texts, ", ")
}
