// base writes the base image of the Dockerfile as a tar archive, for machines that can pull none: this machine's Go
// toolchain, a shell, CA certificates, the modules that are needed, and what has been compiled of them already.
//
//	go run .ci/base.go | docker import -c … - NAME
//
// The build that follows needs the network for nothing, and compiles what has changed.
package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

func main() {
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	a := &archive{tar: tar.NewWriter(out), seen: map[string]bool{}}
	err := errors.Join(a.fill(), a.tar.Close(), out.Flush())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type archive struct {
	tar  *tar.Writer
	seen map[string]bool
}

func (a *archive) fill() error {
	var env struct{ GOROOT, GOMODCACHE, GOCACHE string }
	if err := output(&env, "", "go", "env", "-json", "GOROOT", "GOMODCACHE", "GOCACHE"); err != nil {
		return err
	}
	for _, part := range []string{"bin", "lib", "pkg", "src", "VERSION", "go.env"} {
		if err := a.add(filepath.Join(env.GOROOT, part)); err != nil {
			return err
		}
	}
	return errors.Join(a.system(), a.modules(env.GOMODCACHE), a.compiled(env.GOCACHE))
}

// system adds what a build needs beside Go.
func (a *archive) system() error {
	const shell, certificates = "/bin/sh", "/etc/ssl/certs/ca-certificates.crt"
	linked, err := exec.Command("ldd", shell).Output()
	if _, static := errors.AsType[*exec.ExitError](err); err != nil && !static {
		return fmt.Errorf("look for the libraries of %s: %w", shell, err)
	}
	files := append(regexp.MustCompile(`/\S+`).FindAllString(string(linked), -1), shell, certificates)
	for _, file := range files {
		real, err := filepath.EvalSymlinks(file)
		if err != nil {
			return err
		}
		if err := a.file(file, real); err != nil {
			return err
		}
	}
	// Go makes temporary directories.
	return a.tar.WriteHeader(&tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777})
}

// modules adds the modules of both of ours, and of all others what is needed to choose versions.
func (a *archive) modules(cache string) error {
	for _, dir := range []string{".", "dev"} {
		var downloaded []struct{ Zip, Dir string }
		if err := output(&downloaded, dir, "go", "mod", "download", "-json"); err != nil {
			return err
		}
		for _, m := range downloaded {
			for _, path := range []string{m.Zip, m.Zip + "hash", m.Dir} {
				if err := a.add(path); err != nil {
					return err
				}
			}
		}
	}
	return filepath.WalkDir(filepath.Join(cache, "cache", "download"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		switch filepath.Ext(path) {
		case ".mod", ".info":
			return a.add(path)
		}
		return nil
	})
}

// compiled adds the packages of both binaries from the build cache. In it an action names what has come of it.
func (a *archive) compiled(cache string) error {
	outputs := map[string]bool{}
	for _, list := range [][]string{
		{"amd64", ".", "-trimpath", "-tags", "timetzdata", "./cmd/logpipe"},
		{"arm64", ".", "-trimpath", "-tags", "timetzdata", "./cmd/logpipe"},
		{runtime.GOARCH, "dev", "."},
	} {
		cmd := command(list[1], "go", append([]string{"list", "-deps", "-export", "-f", "{{.Export}}"}, list[2:]...)...)
		cmd.Env = append(cmd.Env, "GOARCH="+list[0])
		exports, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("compile %s: %w", list, err)
		}
		for _, path := range strings.Fields(string(exports)) {
			outputs[strings.TrimSuffix(filepath.Base(path), "-d")] = true
			if err := a.add(path); err != nil {
				return err
			}
		}
	}
	actions, err := filepath.Glob(filepath.Join(cache, "??", "*-a"))
	if err != nil {
		return err
	}
	for _, action := range actions {
		text, err := os.ReadFile(action)
		if errors.Is(err, fs.ErrNotExist) {
			continue // Go has just cleared it away
		}
		if err != nil {
			return err
		}
		// v1 ACTION OUTPUT SIZE TIME
		if fields := bytes.Fields(text); len(fields) == 5 && len(fields[2]) == hex.EncodedLen(32) && outputs[string(fields[2])] {
			if err := a.add(action); err != nil {
				return err
			}
		}
	}
	return nil
}

// command runs in a directory, with the settings of the Dockerfile.
func command(dir, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-buildvcs=false")
	return cmd
}

// output decodes one JSON value that a command prints, or a row of them.
func output[T any](into *T, dir, name string, args ...string) error {
	text, err := command(dir, name, args...).Output()
	if err != nil {
		return fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	if bytes.HasPrefix(text, []byte("{")) && strings.Contains(fmt.Sprintf("%T", *into), "[]") {
		text = []byte("[" + strings.ReplaceAll(strings.TrimSpace(string(text)), "\n}\n{", "\n},{") + "]")
	}
	return json.Unmarshal(text, into)
}

// add adds a file or all that is below a directory, but for tests, under its own name.
func (a *archive) add(root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == "testdata":
			return fs.SkipDir
		case entry.IsDir(), strings.HasSuffix(path, "_test.go"):
			return nil
		case entry.Type().IsRegular():
			return a.file(path, path)
		}
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			return err
		}
		return a.file(path, real)
	})
}

func (a *archive) file(name, path string) error {
	name = strings.TrimPrefix(name, "/")
	if a.seen[name] {
		return nil
	}
	a.seen[name] = true
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	header := &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: int64(info.Mode().Perm()), Size: info.Size(), ModTime: info.ModTime()}
	if err := a.tar.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(a.tar, file)
	return err
}
