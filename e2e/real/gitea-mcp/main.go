// A stand-in for gitea-mcp, whose own module (gitea.com/gitea/gitea-mcp) not every Go module proxy gives out. It is built of
// the same two libraries, the official MCP SDK and Gitea's own SDK, and stands here for what matters to a door before it:
//
//   - one instance for everybody, with sessions, and no credential of its own;
//   - each request brings its token in Authorization, as Bearer or as token; without one Gitea sees nobody;
//   - it never answers 401: what Gitea refuses is the text of a tool that failed.
//
// Of its tools there are the four that the tests call.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"code.gitea.io/sdk/gitea"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

var host = flag.String("host", "", "where Gitea is")

type nothing struct{}

type search struct {
	Query string `json:"query" jsonschema:"what their names hold"`
}

type file struct {
	Owner string `json:"owner" jsonschema:"whose repository"`
	Repo  string `json:"repo" jsonschema:"its name"`
	Ref   string `json:"ref,omitempty" jsonschema:"branch, tag or commit"`
	Path  string `json:"path" jsonschema:"which file"`
}

func main() {
	port := flag.Int("port", 0, "where this listens")
	flag.Parse()
	log.SetFlags(0)

	server := mcp.NewServer(&mcp.Implementation{Name: "Gitea MCP Server", Version: "stand-in"}, nil)
	add(server, "get_me", "Get the user that is signed in", func(client *gitea.Client, _ nothing) (any, error) {
		user, _, err := client.GetMyUserInfo()
		return user, err
	})
	add(server, "list_my_repos", "List my repositories", func(client *gitea.Client, _ nothing) (any, error) {
		repos, _, err := client.ListMyRepos(gitea.ListReposOptions{})
		return names(repos), err
	})
	add(server, "search_repos", "Search repositories", func(client *gitea.Client, in search) (any, error) {
		repos, _, err := client.SearchRepos(gitea.SearchRepoOptions{Keyword: in.Query})
		return names(repos), err
	})
	add(server, "get_file_contents", "Get what a file holds", func(client *gitea.Client, in file) (any, error) {
		contents, _, err := client.GetContents(in.Owner, in.Repo, in.Ref, in.Path)
		if err != nil || contents.Content == nil {
			return nil, err
		}
		text, err := base64.StdEncoding.DecodeString(*contents.Content)
		return string(text), err
	})

	handler := mcp.NewStreamableHTTPHandler(
		func(*http.Request) *mcp.Server { return server },
		&mcp.StreamableHTTPOptions{SessionTimeout: 30 * time.Minute},
	)
	http.Handle("/mcp", handler)
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *port))
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("listening on http://%s/mcp", listener.Addr())
	log.Fatal(http.Serve(listener, nil))
}

// One tool: Gitea is asked as whoever the request's own token is of.
func add[In any](server *mcp.Server, name, description string, ask func(*gitea.Client, In) (any, error)) {
	tool := &mcp.Tool{Name: name, Description: description, Annotations: &mcp.ToolAnnotations{ReadOnlyHint: true}}
	mcp.AddTool(server, tool, func(ctx context.Context, request *mcp.CallToolRequest, in In) (*mcp.CallToolResult, any, error) {
		client, err := gitea.NewClient(*host, gitea.SetContext(ctx), gitea.SetToken(token(request)))
		if err != nil {
			return nil, nil, fmt.Errorf("get gitea client err: %w", err)
		}
		found, err := ask(client, in)
		if err != nil {
			return nil, nil, fmt.Errorf("%s err: %w", name, err)
		}
		text, err := json.Marshal(found)
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: string(text)}}}, nil, err
	})
}

func token(request *mcp.CallToolRequest) string {
	if request.Extra == nil {
		return ""
	}
	scheme, token, _ := strings.Cut(request.Extra.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "bearer") || strings.EqualFold(scheme, "token") {
		return strings.TrimSpace(token)
	}
	return ""
}

func names(repos []*gitea.Repository) []string {
	names := make([]string, 0, len(repos))
	for _, repo := range repos {
		names = append(names, repo.FullName)
	}
	return names
}
