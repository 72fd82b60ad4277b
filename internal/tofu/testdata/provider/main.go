// Command terraform-provider-proof is a provider for tests: resources that take their time, that fail, and that say
// secrets aloud.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

func main() {
	err := providerserver.Serve(context.Background(), func() provider.Provider { return proof{} }, providerserver.ServeOpts{
		Address: "registry.example.test/remuda/proof",
	})
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type proof struct{}

func (proof) Metadata(_ context.Context, _ provider.MetadataRequest, r *provider.MetadataResponse) {
	r.TypeName = "proof"
}
func (proof) Schema(context.Context, provider.SchemaRequest, *provider.SchemaResponse)          {}
func (proof) Configure(context.Context, provider.ConfigureRequest, *provider.ConfigureResponse) {}
func (proof) DataSources(context.Context) []func() datasource.DataSource                        { return nil }

// Resources are one kind each: proof_slow, proof_failing, proof_echo.
func (proof) Resources(context.Context) []func() resource.Resource {
	kind := func(name string, create func(ctx context.Context, m *model) error) func() resource.Resource {
		return func() resource.Resource { return &thing{name: name, create: create} }
	}
	return []func() resource.Resource{
		kind("slow", slow), kind("failing", failing), kind("echo", echo),
	}
}

// model is what each resource holds.
type model struct {
	ID      types.String `tfsdk:"id"`
	Text    types.String `tfsdk:"text"`
	Secret  types.String `tfsdk:"secret"`
	Seconds types.Int64  `tfsdk:"seconds"`
}

// slow says that it has begun by making the file that text names, and heeds being stopped.
func slow(ctx context.Context, m *model) error {
	if err := os.WriteFile(m.Text.ValueString(), []byte("begun\n"), 0o600); err != nil {
		return err
	}
	select {
	case <-time.After(time.Duration(m.Seconds.ValueInt64()) * time.Second):
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stopped: %w", ctx.Err())
	}
}

func failing(_ context.Context, m *model) error {
	return fmt.Errorf("cannot be made: %s", m.Text.ValueString())
}

// echo says its secret wherever it can.
func echo(_ context.Context, m *model) error {
	_, _ = fmt.Fprintf(os.Stderr, "echo: %s\n", m.Secret.ValueString())
	m.Text = types.StringValue("I know " + m.Secret.ValueString())
	return nil
}

type thing struct {
	name   string
	create func(ctx context.Context, m *model) error
}

func (t *thing) Metadata(_ context.Context, _ resource.MetadataRequest, r *resource.MetadataResponse) {
	r.TypeName = "proof_" + t.name
}

func (t *thing) Schema(_ context.Context, _ resource.SchemaRequest, r *resource.SchemaResponse) {
	r.Schema = schema.Schema{Attributes: map[string]schema.Attribute{
		"id":      schema.StringAttribute{Computed: true},
		"text":    schema.StringAttribute{Optional: true, Computed: true},
		"secret":  schema.StringAttribute{Optional: true, Sensitive: true},
		"seconds": schema.Int64Attribute{Optional: true},
	}}
}

func (t *thing) Create(ctx context.Context, q resource.CreateRequest, r *resource.CreateResponse) {
	var m model
	r.Diagnostics.Append(q.Plan.Get(ctx, &m)...)
	if r.Diagnostics.HasError() {
		return
	}
	if err := t.create(ctx, &m); err != nil {
		r.Diagnostics.AddError("It did not work", err.Error())
		return
	}
	m.ID = types.StringValue(t.name)
	if m.Text.IsUnknown() {
		m.Text = types.StringNull()
	}
	if t.name == "echo" {
		r.Diagnostics.AddWarning("A secret", "It is "+m.Secret.ValueString())
	}
	r.Diagnostics.Append(r.State.Set(ctx, &m)...)
}

func (t *thing) Read(context.Context, resource.ReadRequest, *resource.ReadResponse) {}

func (t *thing) Update(ctx context.Context, q resource.UpdateRequest, r *resource.UpdateResponse) {
	var m model
	r.Diagnostics.Append(q.Plan.Get(ctx, &m)...)
	m.ID = types.StringValue(t.name)
	if m.Text.IsUnknown() {
		m.Text = types.StringValue("I know " + m.Secret.ValueString())
	}
	r.Diagnostics.Append(r.State.Set(ctx, &m)...)
}

func (t *thing) Delete(context.Context, resource.DeleteRequest, *resource.DeleteResponse) {}
