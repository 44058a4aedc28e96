/** Files as the tidy rules see them: a path from the root of the repository, and the text. */

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import ts from "typescript";

export interface SourceText {
  readonly path: string;
  readonly text: string;
}

/** What is wrong in a set of files, one line each; none is what we want. */
export type Rule = (files: readonly SourceText[]) => string[];

export interface Import {
  readonly specifier: string;
  /** The file it means, when it is one of ours. */
  readonly target: string | undefined;
  readonly isTypeOnly: boolean;
  readonly isReexport: boolean;
  /** It is loaded when that line is run. */
  readonly isLazy: boolean;
  readonly line: number;
}

export const root = join(import.meta.dirname, "../..");

const BINARY = /\.(?:wasm|png|jpg|ico|gz|zip|sqlite)$/;

/** Every file that version control would keep: all but what .gitignore names. */
export function readTree(): SourceText[] {
  const ignored = readFileSync(join(root, ".gitignore"), "utf8").split("\n").filter(Boolean);
  const files: SourceText[] = [];
  const visit = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = posix.join(folder, entry.name);
      if (entry.name === ".git" || ignored.some((line) => isIgnored(entry.name, path, line)))
        continue;
      if (entry.isDirectory()) visit(path);
      else if (entry.isFile() && !BINARY.test(path)) {
        files.push({ path, text: readFileSync(join(root, path), "utf8") });
      }
    }
  };
  visit(".");
  return files;
}

export function isIgnored(name: string, path: string, line: string): boolean {
  if (line.startsWith("*.")) return name.endsWith(line.slice(1));
  const pattern = line.replace(/\/$/, "");
  return pattern.includes("/") ? `/${path}` === `/${pattern.replace(/^\//, "")}` : name === pattern;
}

export function isTypeScript({ path }: SourceText): boolean {
  return /^(?:src|assembly|bench|test)\/.*\.ts$/.test(path);
}

/** A file is parsed once, however many rules ask. */
const parsed = new WeakMap<SourceText, ts.SourceFile>();

export function parse(file: SourceText): ts.SourceFile {
  let tree = parsed.get(file);
  if (tree === undefined) {
    tree = ts.createSourceFile(file.path, file.text, ts.ScriptTarget.ES2023, true);
    parsed.set(file, tree);
  }
  return tree;
}

const flattened = new WeakMap<SourceText, readonly ts.Node[]>();

/** All nodes of a file, in order of the text. */
export function nodesOf(file: SourceText): readonly ts.Node[] {
  let nodes = flattened.get(file);
  if (nodes === undefined) {
    const all: ts.Node[] = [];
    const visit = (node: ts.Node): void => {
      all.push(node);
      ts.forEachChild(node, visit);
    };
    visit(parse(file));
    nodes = all;
    flattened.set(file, nodes);
  }
  return nodes;
}

export function lineOf(file: SourceText, node: ts.Node): number {
  return parse(file).getLineAndCharacterOfPosition(node.getStart()).line + 1;
}

/** `path:line`, which editors and terminals open. */
export function placeOf(file: SourceText, node: ts.Node): string {
  return `${file.path}:${lineOf(file, node)}`;
}

export function importsOf(file: SourceText): Import[] {
  const imports: Import[] = [];
  const add = (node: ts.Node, specifier: ts.Expression, isTypeOnly: boolean): void => {
    if (!ts.isStringLiteralLike(specifier)) return;
    imports.push({
      specifier: specifier.text,
      target: targetOf(file, specifier.text),
      isTypeOnly,
      isReexport: ts.isExportDeclaration(node),
      isLazy: ts.isCallExpression(node),
      line: lineOf(file, node),
    });
  };
  for (const node of nodesOf(file)) {
    if (ts.isImportDeclaration(node)) {
      add(node, node.moduleSpecifier, isTypeOnlyClause(node.importClause));
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
      add(node, node.moduleSpecifier, node.isTypeOnly);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node, node.arguments[0]!, false);
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node, node.argument.literal, true);
    }
  }
  return imports;
}

function targetOf(file: SourceText, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  const target = posix.join(dirname(file.path), specifier);
  // AssemblyScript writes its imports without the extension.
  return target.endsWith(".ts") ? target : `${target}.ts`;
}

function isTypeOnlyClause(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const names = clause.namedBindings;
  if (clause.name !== undefined || names === undefined || ts.isNamespaceImport(names)) return false;
  return names.elements.every((element) => element.isTypeOnly);
}

/** Names that the code itself uses, comments aside. */
export function identifiersOf(file: SourceText): ReadonlySet<string> {
  const names = new Set<string>();
  for (const node of nodesOf(file)) if (ts.isIdentifier(node)) names.add(node.text);
  return names;
}
