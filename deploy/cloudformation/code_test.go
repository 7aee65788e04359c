package cloudformation_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/log-event-pipeline/logpipe"

// roots are the packages that each process is made of, with all that they import. The commands of people run under the
// role of a starter or a worker as well, where they run on ECS.
var roots = map[string][]string{
	"starter":  {module + "/starter", module + "/internal/connect"},
	"worker":   {module + "/worker", module + "/internal/connect"},
	"commands": {module + "/cmd/logpipe"},
}

// goPackage is one as go list tells.
type goPackage struct {
	ImportPath, Dir, Export string
	GoFiles, Deps           []string
}

// program is the source of the binary, type-checked.
type program struct {
	files    *token.FileSet
	packages map[string]goPackage
	checked  map[string]*checkedPackage
}

type checkedPackage struct {
	syntax []*ast.File
	info   *types.Info
}

// source reads the program once for all tests.
var source = sync.OnceValues(readProgram)

func readProgram() (*program, error) {
	command := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,Deps", module+"/cmd/logpipe")
	command.Env = append(command.Environ(), "CGO_ENABLED=0") // as the binary is built; the race detector's tests share its cache
	var faults bytes.Buffer
	command.Stderr = &faults
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, faults.String())
	}
	p := &program{files: token.NewFileSet(), packages: map[string]goPackage{}, checked: map[string]*checkedPackage{}}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var one goPackage
		if err := decoder.Decode(&one); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		p.packages[one.ImportPath] = one
	}
	imports := importer.ForCompiler(p.files, "gc", func(path string) (io.ReadCloser, error) { return os.Open(p.packages[path].Export) })
	for path, one := range p.packages {
		if strings.HasPrefix(path, module+"/") {
			if p.checked[path], err = p.check(path, one.Dir, one.GoFiles, imports); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

func (p *program) check(path, dir string, names []string, imports types.Importer) (*checkedPackage, error) {
	c := &checkedPackage{info: &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{}}}
	for _, name := range names {
		file, err := parser.ParseFile(p.files, filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("parse: %w", err)
		}
		c.syntax = append(c.syntax, file)
	}
	config := types.Config{Importer: imports}
	if _, err := config.Check(path, p.files, c.syntax, c.info); err != nil {
		return nil, fmt.Errorf("check %s: %w", path, err)
	}
	return c, nil
}

// of are the packages of the module that a process consists of.
func (p *program) of(process string) map[string]*checkedPackage {
	all := map[string]*checkedPackage{}
	for _, root := range roots[process] {
		for _, path := range append(p.packages[root].Deps, root) {
			if c, ours := p.checked[path]; ours {
				all[path] = c
			}
		}
	}
	return all
}

// calls are the operations that packages ask AWS for, with the place of one of the calls: those of the SDK by service and
// name, "kinesis.GetRecords", and those of the blob library by method, "blob.Delete".
func (p *program) calls(packages map[string]*checkedPackage) map[string]string {
	found := map[string]string{}
	for _, c := range packages {
		for _, file := range c.syntax {
			ast.Inspect(file, func(node ast.Node) bool {
				if call, ok := node.(*ast.CallExpr); ok {
					if operation := operationOf(c.info, call); operation != "" {
						found[operation] = p.files.Position(call.Pos()).String()
					}
				}
				return true
			})
		}
	}
	return found
}

// operationOf names what a call asks AWS for. Whoever is called, every operation of the SDK takes the struct that has its
// name: by the client, an interface of ours, or a paginator.
func operationOf(info *types.Info, call *ast.CallExpr) string {
	signature, ok := info.TypeOf(call.Fun).(*types.Signature)
	if !ok {
		return ""
	}
	if selector, ok := call.Fun.(*ast.SelectorExpr); ok {
		if selection := info.Selections[selector]; selection != nil && types.TypeString(selection.Recv(), nil) == "*gocloud.dev/blob.Bucket" {
			return "blob." + selector.Sel.Name
		}
	}
	for parameter := range signature.Params().Variables() {
		pointer, ok := parameter.Type().(*types.Pointer)
		if !ok {
			continue
		}
		named, ok := types.Unalias(pointer.Elem()).(*types.Named)
		if !ok || named.Obj().Pkg() == nil {
			continue
		}
		service, isSDK := strings.CutPrefix(named.Obj().Pkg().Path(), "github.com/aws/aws-sdk-go-v2/service/")
		if name, isInput := strings.CutSuffix(named.Obj().Name(), "Input"); isSDK && isInput {
			return service + "." + name
		}
	}
	return ""
}

// lines are the lines that packages log, by message: those with a constant one. Each has the constant texts of the
// function around it, among which are the names of its members.
func (p *program) lines(packages map[string]*checkedPackage) map[string]map[string]bool {
	found := map[string]map[string]bool{}
	for _, c := range packages {
		for _, file := range c.syntax {
			for _, declared := range file.Decls {
				f, ok := declared.(*ast.FuncDecl)
				if !ok || f.Body == nil {
					continue
				}
				words, messages := wordsOf(c.info, f.Body)
				for _, message := range messages {
					found[message] = words
				}
			}
		}
	}
	return found
}

// wordsOf returns the constant texts of a function, and which of them it may log as a message.
func wordsOf(info *types.Info, body ast.Node) (words map[string]bool, messages []string) {
	words = map[string]bool{}
	ast.Inspect(body, func(node ast.Node) bool {
		if expression, ok := node.(ast.Expr); ok {
			if value := info.Types[expression].Value; value != nil && value.Kind() == constant.String {
				words[constant.StringVal(value)] = true
			}
		}
		call, ok := node.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		selector, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || info.Selections[selector] == nil {
			return true
		}
		receiver := types.TypeString(info.Selections[selector].Recv(), nil)
		isLogger := receiver == "*log/slog.Logger" || receiver == "go.temporal.io/sdk/log.Logger"
		switch selector.Sel.Name {
		case "Info", "Warn", "Error": // debug is not logged by default
			if isLogger {
				messages = append(messages, messagesOf(info, body, call.Args[0])...)
			}
		}
		return true
	})
	return words, messages
}

// messagesOf are the texts that a message can be: its own, or those that its variable is assigned in the function.
func messagesOf(info *types.Info, body ast.Node, message ast.Expr) (texts []string) {
	if value := info.Types[message].Value; value != nil {
		return []string{constant.StringVal(value)}
	}
	variable, ok := message.(*ast.Ident)
	if !ok {
		return nil
	}
	ast.Inspect(body, func(node ast.Node) bool {
		if assigned, ok := node.(*ast.AssignStmt); ok && len(assigned.Lhs) == 1 {
			if left, ok := assigned.Lhs[0].(*ast.Ident); ok && left.Name == variable.Name {
				if value := info.Types[assigned.Rhs[0]].Value; value != nil {
					texts = append(texts, constant.StringVal(value))
				}
			}
		}
		return true
	})
	return texts
}

// theProgram is the source, which every test of it needs.
func theProgram(t *testing.T) *program {
	t.Helper()
	p, err := source()
	require.NoError(t, err)
	return p
}

// sourceOf checks a package of the text, as if it were one of the program.
func sourceOf(t *testing.T, p *program, text string) map[string]*checkedPackage {
	t.Helper()
	path := filepath.Join(t.TempDir(), "planted.go")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	imports := importer.ForCompiler(p.files, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(cmp.Or(p.packages[path].Export, path))
	})
	c, err := p.check("planted", filepath.Dir(path), []string{filepath.Base(path)}, imports)
	require.NoError(t, err)
	return map[string]*checkedPackage{"planted": c}
}
