"use strict";
fetch("/openapi.json").then((answer) => answer.json()).then((value) => {
  const list = document.getElementById("routes");
  for (const [path, methods] of Object.entries(value.paths)) {
    for (const [method, said] of Object.entries(methods)) {
      const article = document.createElement("article");
      const code = document.createElement("code");
      const name = document.createElement("span");
      name.className = "method";
      name.textContent = method.toUpperCase();
      code.append(name, path);
      article.append(code);
      for (const text of [said.summary, said.description]) {
        if (!text) continue;
        const line = document.createElement("p");
        line.textContent = text;
        if (text === said.description) line.className = "muted";
        article.append(line);
      }
      list.append(article);
    }
  }
});
