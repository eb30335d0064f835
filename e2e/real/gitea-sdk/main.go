// A stand-in for tea, Gitea's command line, whose own module (code.gitea.io/tea) not every Go module proxy gives out. It is
// the library that tea speaks to Gitea with, Gitea's own SDK, and what tea's GetLoginByEnvVar does before it: where Gitea is
// and the token come from GITEA_INSTANCE_URL and GITEA_TOKEN, nothing is read from or written to a file, and the version of
// the server is not asked for.
//
//	gitea-sdk whoami
//	gitea-sdk issues OWNER/REPOSITORY
//	gitea-sdk issue OWNER/REPOSITORY TITLE
package main

import (
	"fmt"
	"log"
	"os"
	"strings"

	"code.gitea.io/sdk/gitea"
)

func main() {
	log.SetFlags(0)
	client, err := gitea.NewClient(os.Getenv("GITEA_INSTANCE_URL"),
		gitea.SetGiteaVersion(""), gitea.SetToken(os.Getenv("GITEA_TOKEN")))
	if err != nil {
		log.Fatal(err)
	}
	if err := run(client, os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(client *gitea.Client, words []string) error {
	switch {
	case len(words) == 1 && words[0] == "whoami":
		user, _, err := client.GetMyUserInfo()
		if err != nil {
			return err
		}
		fmt.Println(user.UserName)
	case len(words) == 2 && words[0] == "issues":
		owner, name, _ := strings.Cut(words[1], "/")
		issues, _, err := client.ListRepoIssues(owner, name, gitea.ListIssueOption{Type: gitea.IssueTypeIssue})
		if err != nil {
			return err
		}
		for _, issue := range issues {
			fmt.Printf("%d %s (%s)\n", issue.Index, issue.Title, issue.Poster.UserName)
		}
	case len(words) == 3 && words[0] == "issue":
		owner, name, _ := strings.Cut(words[1], "/")
		issue, _, err := client.CreateIssue(owner, name, gitea.CreateIssueOption{Title: words[2]})
		if err != nil {
			return err
		}
		fmt.Printf("%d %s (%s)\n", issue.Index, issue.Title, issue.Poster.UserName)
	default:
		return fmt.Errorf("unknown words: %q", words)
	}
	return nil
}
