/* Documents and what becomes of them, one row for each sentence of the language (dsl-digest,
 * sections 2 to 7 and 13). In inputs, scripts and expectations ' stands for ".
 *
 * script   what happens after the start, a line each: "run KEY JSON" answers that command (with
 *          an error when "!" stands before it), "call KEY JSON", "sleep KEY" fires a timer,
 *          "advance MS", "cancel"
 * end      the last line; a fault is written "faulted TYPE STATUS INSTANCE"; NULL: it still waits
 * lines    lines that come, in this order, among others ("*" at the end: any rest); "-TEXT": occurs
 *          nowhere */
#ifndef TESTS_FLOW_CASES_H
#define TESTS_FLOW_CASES_H

struct flow_case {
    const char *name, *doc, *input, *script, *end, *lines;
};

#define GET(name, uri) name ": {call: http, with: {method: get, endpoint: '" uri "'}}"
#define DOWN                                                                                       \
    "!{'type':'https://serverlessworkflow.io/spec/1.0.0/errors/communication','status':503}"
#define RAISE(status)                                                                              \
    "{raise: {error: {type: 'https://example.com/e', status: " status ", title: T, detail: D}}}"

static const struct flow_case flow_data_cases[] = {
    {"set replaces", "do: [a: {set: {x: 1}}]", "{'y':2}", "", "completed {'x':1}",
     "task /do/0/a {'y':2} {'x':1}"},
    {"set as one expression", "do: [a: {set: '${ .y + 1 }'}]", "{'y':2}", "", "completed 3", NULL},
    {"set walks structures", "do: [a: {set: {o: {l: [1, '${ .y }', plain]}}}]", "{'y':2}", "",
     "completed {'o':{'l':[1,2,'plain']}}", NULL},
    {"text with ${ inside is literal", "do: [a: {set: {t: 'Hi ${ .y }'}}]", "{'y':2}", "",
     "completed {'t':'Hi ${ .y }'}", NULL},
    {"keys are literal", "do: [a: {set: {'${ .y }': 1}}]", "{'y':2}", "", "completed {'${ .y }':1}",
     NULL},
    {"no result is null, several are an array", "do: [a: {set: {n: '${ empty }', m: '${ 1, 2 }'}}]",
     "{}", "", "completed {'m':[1,2],'n':null}", NULL},
    {"output becomes the next input", "do: [a: {set: {x: 1}}, b: {set: {y: '${ .x + 1 }'}}]", "{}",
     "", "completed {'y':2}", "task /do/1/b {'x':1} {'y':2}"},
    {"input.from as an expression", "do: [a: {input: {from: .o}, set: '${ .v }'}]", "{'o':{'v':5}}",
     "", "completed 5", NULL},
    {"input.from as an object", "do: [a: {input: {from: {k: '${ .o.v }'}}, set: '${ . }'}]",
     "{'o':{'v':5}}", "", "completed {'k':5}", NULL},
    {"$input is the transformed input", "do: [a: {input: {from: .o}, set: '${ $input.v }'}]",
     "{'o':{'v':5}}", "", "completed 5", NULL},
    {"output.as sees the raw output", "do: [a: {set: {x: 7}, output: {as: .x}}]", "{}", "",
     "completed 7", NULL},
    {"$output in output.as is the raw output", "do: [a: {set: {x: 7}, output: {as: '$output.x'}}]",
     "{}", "", "completed 7", NULL},
    {"workflow input.from", "input: {from: .o}\ndo: [a: {set: '${ .v }'}]", "{'o':{'v':5}}", "",
     "completed 5", NULL},
    {"workflow output.as", "output: {as: {r: '${ .x }'}}\ndo: [a: {set: {x: 1}}]", "{}", "",
     "completed {'r':1}", NULL},
    {"context begins as {}", "do: [a: {set: '${ $context }'}]", "{}", "", "completed {}", NULL},
    {"export replaces the context",
     "do: [a: {set: {x: 1}, export: {as: '{ a: .x }'}}, b: {set: {x: 2}, export: {as: '{ b: .x "
     "}'}},"
     " c: {set: '${ $context }'}]",
     "{}", "", "completed {'b':2}", NULL},
    {"export can merge",
     "do: [a: {set: {x: 1}, export: {as: '$context + { a: .x }'}},"
     " b: {set: {x: 2}, export: {as: '$context + { b: $output.x }'}}, c: {set: '${ $context }'}]",
     "{}", "", "completed {'a':1,'b':2}", NULL},
    {"export sees the transformed output",
     "do: [a: {set: {x: 1}, output: {as: .x}, export: {as: '{ got: . }'}}, c: {set: '${ $context "
     "}'}]",
     "{}", "", "completed {'got':1}", NULL},
    {"the context survives a fault",
     "do: [t: {try: [a: {set: {x: 1}, export: {as: '{ a: 1 }'}}, b: " RAISE(
         "500") "], catch: {}},"
                " c: {set: '${ $context }'}]",
     "{}", "", "completed {'a':1}", NULL},
    {"input schema", "do: [a: {input: {schema: {document: {type: array}}}, set: {x: 1}}]", "{}", "",
     "faulted validation 400 /do/0/a", "task /do/0/a {} !*"},
    {"the input schema looks at the raw input",
     "do: [a: {input: {schema: {document: {type: object}}, from: .l}, set: '${ . }'}]", "{'l':[1]}",
     "", "completed [1]", NULL},
    {"output schema looks at the transformed output",
     "do: [a: {set: {x: 1}, output: {as: .x, schema: {format: json, document: {type: integer}}}}]",
     "{}", "", "completed 1", NULL},
    {"output schema", "do: [a: {set: {x: 1}, output: {schema: {document: {required: [y]}}}}]", "{}",
     "", "faulted validation 400 /do/0/a", NULL},
    {"export schema looks at the new context, which is not taken when it fails",
     "do: [t: {try: [a: {set: {x: 1}, export: {as: '{ bad: 1 }', schema: {document: {required: "
     "[y]}}}}],"
     " catch: {}}, b: {set: '${ $context }'}]",
     "{}", "", "completed {}", NULL},
    {"workflow input schema",
     "input: {schema: {document: {required: [q]}}}\ndo: [a: {set: {x: 1}}]", "{}", "",
     "faulted validation 400 ", "-task"},
    {"workflow output schema",
     "output: {schema: {document: {type: string}}}\ndo: [a: {set: {x: 1}}]", "{}", "",
     "faulted validation 400 ", NULL},
    {"a wrong expression faults its task", "do: [o: {do: [a: {set: '${ .x + {} }'}]}]", "{'x':1}",
     "", "faulted expression 400 /do/0/o/do/0/a", "task /do/0/o/do/0/a *\nended /do/0/o !*"},
    {"if true", "do: [a: {if: .go, set: {x: 1}}]", "{'go':true}", "", "completed {'x':1}", NULL},
    {"if false passes the input on and skips output and export",
     "do: [a: {if: '${ .go }', set: {x: 1}, output: {as: .x}, export: {as: '{ x: 1 }'}},"
     " b: {set: {c: '${ $context }', in: '${ . }'}}]",
     "{'go':false}", "", "completed {'c':{},'in':{'go':false}}",
     "task /do/0/a {'go':false} {'go':false}"},
    {"then of a skipped task is ignored",
     "do: [a: {if: .no, set: {x: 1}, then: end}, b: {set: {y: 1}}]", "{}", "", "completed {'y':1}",
     NULL},
    {"$task",
     "do: [a: {input: {from: .v}, set: {n: '${ $task.name }', r: '${ $task.reference }',"
     " i: '${ $task.input }', d: '${ $task.definition.input.from }',"
     " s: '${ $task.startedAt.epoch.seconds }', o: '${ $task.output }'}}]",
     "{'v':1}", "",
     "completed {'d':'.v','i':{'v':1},'n':'a','o':null,'r':'/do/0/a','s':1767225600}", NULL},
    {"$task.output in export",
     "do: [a: {set: {x: 1}, output: {as: .x}, export: {as: '$task.output'}},"
     " b: {set: '${ $context }'}]",
     "{}", "", "completed {'x':1}", NULL},
    {"$workflow",
     "do: [a: {set: {id: '${ $workflow.id }', n: '${ $workflow.definition.document.name }',"
     " i: '${ $workflow.input }', s: '${ $workflow.startedAt.iso8601 }'}}]",
     "{'q':1}", "",
     "completed {'i':{'q':1},'id':'order-7','n':'flow','s':'2026-01-01T00:00:00.000Z'}", NULL},
    {"$runtime", "do: [a: {set: '${ $runtime.name }'}]", "{}", "", "completed 'ultramcp-restate'",
     NULL},
    {"other names in scope are null",
     "do: [a: {set: {s: '${ $secrets }', a: '${ $authorization }',"
     " o: '${ $output }'}}]",
     "{}", "", "completed {'a':null,'o':null,'s':null}", NULL},
    {"expressions in data stay data", "do: [a: {set: '${ .t }'}, b: {set: {v: '${ . }'}}]",
     "{'t':'${ 1 + 1 }'}", "", "completed {'v':'${ 1 + 1 }'}", NULL},
    {"composites hand their transformed input to the first child",
     "do: [o: {input: {from: .o}, do: [a: {set: {x: '${ .v }'}}, b: {set: {y: '${ .x }'}}],"
     " output: {as: '{ z: .y }'}}]",
     "{'o':{'v':5}}", "", "completed {'z':5}",
     "started /do/0/o {'o':{'v':5}}\ntask /do/0/o/do/0/a {'v':5} {'x':5}\nended /do/0/o {'z':5}"},
    {"an empty list passes its input", "do: [o: {do: []}]", "{'v':5}", "", "completed {'v':5}",
     NULL},
    {"a name with a slash and a tilde", "do: [a/b~c: {set: '${ $task.reference }'}]", "{}", "",
     "completed '/do/0/a~1b~0c'", NULL},
};

static const struct flow_case flow_task_cases[] = {
    {"then: a name further on",
     "do: [a: {set: {x: 1}, then: c}, b: {set: {x: 2}}, c: {set: {y: '${ .x }'}}]", "{}", "",
     "completed {'y':1}", "-/do/1/b"},
    {"then: a name further back",
     "do: [a: {set: {n: '${ .n + 1 }'}}, s: {switch: [again: {when: '.n < 3', then: a}, out: "
     "{then: end}]}]",
     "{'n':0}", "", "completed {'n':3}",
     "task /do/0/a#0 *\ntask /do/1/s#0 *\ntask /do/0/a#1 *\ntask /do/0/a#2 *\ntask /do/1/s#2 *"},
    {"then: exit leaves the list",
     "do: [o: {do: [a: {set: {x: 1}, then: exit}, b: {set: {x: 2}}]}, c: {set: {y: '${ .x }'}}]",
     "{}", "", "completed {'y':1}", NULL},
    {"then: exit in the top list ends the workflow",
     "do: [a: {set: {x: 1}, then: exit}, b: {set: {x: 2}}]", "{}", "", "completed {'x':1}", NULL},
    {"then: end climbs; outputs and exports apply on the way",
     "output: {as: '{ c: $context, o: . }'}\n"
     "do: [o: {do: [a: {set: {x: 1}, then: end}], output: {as: .x}, export: {as: '{ e: . }'}}, b: "
     "{set: {x: 2}}]",
     "{}", "", "completed {'c':{'e':1},'o':1}", "-/do/1/b"},
    {"switch takes the first case that holds",
     "do: [s: {switch: [a: {when: .n == 1, then: x}, b: {when: .n > 0, then: y}]}, x: {set: {r: "
     "x}, then: end}, y: {set: {r: y}}]",
     "{'n':1}", "", "completed {'r':'x'}", "task /do/0/s {'n':1} {'n':1}"},
    {"the default case holds wherever it stands",
     "do: [s: {switch: [d: {then: y}, a: {when: .n == 1, then: x}]}, x: {set: {r: x}, then: end}, "
     "y: {set: {r: y}}]",
     "{'n':1}", "", "completed {'r':'x'}", NULL},
    {"the default case when none holds",
     "do: [s: {switch: [d: {then: y}, a: {when: .n == 1, then: x}]}, x: {set: {r: x}, then: end}, "
     "y: {set: {r: y}}]",
     "{'n':2}", "", "completed {'r':'y'}", NULL},
    {"no case and no default: the task's own then",
     "do: [s: {switch: [a: {when: .n == 1, then: end}], then: y}, x: {set: {r: x}}, y: {set: {i: "
     "'${ . }'}}]",
     "{'n':2}", "", "completed {'i':{'n':2}}", NULL},
    {"for chains its iterations",
     "do: [f: {for: {each: n, in: .list}, do: [a: {set: {total: '${ (.total // 0) + $n }'}}]}]",
     "{'list':[1,2,3]}", "", "completed {'total':6}",
     "started /do/0/f *\ntask /do/0/f/do/0/a#0 *\ntask /do/0/f/do/0/a#1 {'total':1} "
     "{'total':3}\nended /do/0/f {'total':6}"},
    {"for: item and index by default",
     "do: [f: {for: {in: .l}, do: [a: {set: '${ [$item, $index] }'}]}]", "{'l':[5,6]}", "",
     "completed [6,1]", NULL},
    {"for: at", "do: [f: {for: {each: x, in: .l, at: i}, do: [a: {set: '${ [$x, $i] }'}]}]",
     "{'l':[5]}", "", "completed [5,0]", NULL},
    {"for: while is asked before each iteration with both bound",
     "do: [f: {for: {each: n, in: .l}, while: '($n < 3) and ($index < 5)', do: [a: {set: {l: '${ "
     ".l }', n: '${ $n }'}}]}]",
     "{'l':[1,2,3,4]}", "", "completed {'l':[1,2,3,4],'n':2}", "-#2"},
    {"for: while before the first",
     "do: [f: {for: {in: .l}, while: 'false', do: [a: {set: {x: 1}}]}]", "{'l':[1]}", "",
     "completed {'l':[1]}", NULL},
    {"for over nothing", "do: [f: {for: {in: .l}, do: [a: {set: {x: 1}}]}]", "{'l':[]}", "",
     "completed {'l':[]}", NULL},
    {"for over null", "do: [f: {for: {in: .l}, do: [a: {set: {x: 1}}]}]", "{}", "", "completed {}",
     NULL},
    {"for over a string", "do: [f: {for: {in: .l}, do: [a: {set: {x: 1}}]}]", "{'l':'x'}", "",
     "faulted expression 400 /do/0/f", NULL},
    {"for over an inline array",
     "do: [f: {for: {each: o, in: [{v: 1}, {v: '${ .q }'}]}, do: [a: {set: {q: '${ $o.v }'}}]}]",
     "{'q':9}", "", "completed {'q':9}", NULL},
    {"for with an empty body", "do: [f: {for: {in: '[range(500)]'}, do: []}]", "{'k':1}", "",
     "completed {'k':1}", NULL},
    {"exit ends the iteration only",
     "do: [f: {for: {each: n, in: .l}, do: [a: {set: {l: '${ .l }', n: '${ $n }'}, then: exit}, b: "
     "{set: {x: 1}}]}]",
     "{'l':[1,2]}", "", "completed {'l':[1,2],'n':2}", NULL},
    {"end in a body ends the workflow",
     "do: [f: {for: {each: n, in: .l}, do: [a: {set: {n: '${ $n }'}, then: end}]}, b: {set: {x: "
     "1}}]",
     "{'l':[1,2]}", "", "completed {'n':1}", NULL},
    {"variables of outer loops are seen inside, and their iterations are in the keys",
     "do: [f: {for: {each: a, in: .l}, do: [g: {for: {each: b, in: '[7]'}, do: [x: {set: {l: [1, "
     "2], p: '${ [$a, $b] }'}}]}]}]",
     "{'l':[1,2]}", "", "completed {'l':[1,2],'p':[2,7]}",
     "task /do/0/f/do/0/g/do/0/x#0.0 *\ntask /do/0/f/do/0/g/do/0/x#1.0 *"},
    {"wait", "do: [w: {wait: {seconds: 1, milliseconds: 500}, output: {as: .k}}]", "{'k':1}",
     "sleep /do/0/w", "completed 1",
     "started /do/0/w {'k':1}\nsleep /do/0/w 1500\nended /do/0/w 1"},
    {"wait in ISO 8601", "do: [w: {wait: PT2M}]", "{}", "", NULL, "sleep /do/0/w 120000"},
    {"wait by an expression", "do: [w: {wait: '${ .d }'}]", "{'d':'PT3S'}", "", NULL,
     "sleep /do/0/w 3000"},
    {"wait by an expression that is no duration", "do: [w: {wait: '${ .d }'}]", "{'d':'soon'}", "",
     "faulted expression 400 /do/0/w", NULL},
    {"raise", "do: [r: " RAISE("418") "]", "{}", "", "faulted https://example.com/e 418 /do/0/r",
     "task /do/0/r {} !*"},
    {"raise by name, with expressions, and an instance of its own",
     "use: {errors: {e: {type: 'https://example.com/e', status: 409, detail: '${ .why }', "
     "instance: /x}}}\n"
     "do: [t: {try: [r: {raise: {error: e}}], catch: {do: [s: {set: '${ $error }'}]}}]",
     "{'why':'late'}", "",
     "completed "
     "{'detail':'late','instance':'/do/0/t/try/0/r','status':409,'type':'https://example.com/e'}",
     NULL},
    {"run a workflow",
     "do: [c: {run: {workflow: {namespace: shop, name: pay, input: {n: '${ .n }'}}}}]", "{'n':1}",
     "call /do/0/c {'ok':true}", "completed {'ok':true}", "call /do/0/c shop.pay {'n':1}"},
    {"run a version",
     "do: [c: {run: {workflow: {namespace: shop, name: pay, version: '1.2.0', input: {}}}}]", "{}",
     "", NULL, "call /do/0/c shop.pay@1.2.0 {}"},
    {"run the latest version",
     "do: [c: {run: {workflow: {namespace: shop, name: pay, version: latest, input: {}}}}]", "{}",
     "", NULL, "call /do/0/c shop.pay {}"},
    {"run without waiting",
     "do: [c: {run: {workflow: {namespace: shop, name: pay, input: {}}, await: false}}]", "{'n':1}",
     "", "completed {'n':1}", "send /do/0/c shop.pay {}"},
    {"a child's fault keeps its place",
     "do: [c: {run: {workflow: {namespace: shop, name: pay, input: {}}}}]", "{}",
     "call /do/0/c !{'type':'https://example.com/e','status':402,'instance':'/do/3/x'}",
     "faulted https://example.com/e 402 /do/3/x", NULL},
    {"return none",
     "do: [c: {run: {workflow: {namespace: shop, name: pay, input: {}}, return: none}}]", "{}",
     "call /do/0/c {'ok':true}", "completed null", NULL},
    {"call http",
     "do: [c: {call: http, with: {method: post, endpoint: 'http://a/{id}', headers: {x: '${ "
     "$workflow.id }'},"
     " query: {q: 1}, body: {v: '${ .v }'}, redirect: true, output: response}}]",
     "{'id':'a b','v':2}", "run /do/0/c {'ok':1}", "completed {'ok':1}",
     "started /do/0/c *\nrun /do/0/c "
     "{'body':{'v':2},'headers':{'x':'order-7'},'kind':'http','method':'post','output':'response','"
     "query':{'q':1},'redirect':true,'uri':'http://a/a%20b'}\nended /do/0/c {'ok':1}"},
    {"call http with an expression for a URI",
     "do: [c: {call: http, with: {method: get, endpoint: '${ .u }'}}]", "{'u':'http://a/{x}'}", "",
     NULL, "run /do/0/c {'kind':'http','method':'get','uri':'http://a/{x}'}"},
    {"call http with an endpoint object",
     "do: [c: {call: http, with: {method: get, endpoint: {uri: 'http://a/'}}}]", "{}", "", NULL,
     "run /do/0/c {'kind':'http','method':'get','uri':'http://a/'}"},
    {"unknown variables of a URI are empty, objects are errors",
     "do: [" GET("c", "http://a/{x}/{y}") "]", "{'y':{}}", "", "faulted expression 400 /do/0/c",
     NULL},
    {"a call that fails", "do: [" GET("c", "http://a/") "]", "{}", "run /do/0/c " DOWN,
     "faulted communication 503 /do/0/c", NULL},
    {"whole headers may be one expression",
     "do: [c: {call: http, with: {method: get, endpoint: 'http://a/', headers: '${ .h }'}}]",
     "{'h':{'k':'v'}}", "", NULL,
     "run /do/0/c {'headers':{'k':'v'},'kind':'http','method':'get','uri':'http://a/'}"},
    {"headers that are no object",
     "do: [c: {call: http, with: {method: get, endpoint: 'http://a/', headers: '${ .h }'}}]",
     "{'h':1}", "", "faulted expression 400 /do/0/c", NULL},
    {"call agent",
     "do: [c: {call: agent, with: {agent: sam, path: /execute, body: {t: '${ .t }'}, timeout: "
     "{seconds: 5}}}]",
     "{'t':1}", "run /do/0/c 5", "completed 5",
     "run /do/0/c "
     "{'agent':'sam','body':{'t':1},'kind':'agent','method':'post','path':'/"
     "execute','timeout':5000}"},
    {"call log",
     "do: [l: {call: log, with: {message: '${ \"n is \\(.n)\" }', level: warn, fields: {n: '${ .n "
     "}'}}}]",
     "{'n':1}", "", "completed {'n':1}",
     "log /do/0/l warn n is 1 {'n':1}\ntask /do/0/l {'n':1} {'n':1}"},
    {"call log of a value", "do: [l: {call: log, with: {message: '${ . }'}}]", "{'n':1}", "",
     "completed {'n':1}", "log /do/0/l info {'n':1}"},
    {"call a function with arguments",
     "use: {functions: {twice: {set: {v: '${ .n * 2 }'}}}}\ndo: [c: {call: twice, with: {n: '${ .x "
     "}'}}]",
     "{'x':4}", "", "completed {'v':8}",
     "started /do/0/c {'x':4}\ntask /do/0/c/twice {'n':4} {'v':8}\nended /do/0/c {'v':8}"},
    {"call a function without arguments",
     "use: {functions: {twice: {set: {v: '${ .n * 2 }'}}}}\ndo: [c: {call: twice}]", "{'n':4}", "",
     "completed {'v':8}", NULL},
    {"a function of several tasks shares the context",
     "use: {functions: {f: {do: [a: {set: '${ $context.k }', export: {as: '{ k: 2 }'}}]}}}\n"
     "do: [s: {set: {x: 1}, export: {as: '{ k: 1 }'}}, c: {call: f}, d: {set: '${ [., $context.k] "
     "}'}]",
     "{}", "", "completed [1,2]", "task /do/1/c/f/do/0/a *"},
    {"a function of the document wins over ours",
     "use: {functions: {log: {set: {mine: true}}}}\ndo: [c: {call: log}]", "{}", "",
     "completed {'mine':true}", NULL},
    {"a function that calls itself",
     "use: {functions: {f: {do: [c: {call: f}]}}}\ndo: [c: {call: f}]", "{}", "",
     "faulted runtime 500*", NULL},
    {"a function that ends itself",
     "use: {functions: {f: {do: [d: {if: '.n > 0', do: [m: {set: {n: '${ .n - 1 }'}}, c: {call: "
     "f}]}]}}}\ndo: [c: {call: f}]",
     "{'n':3}", "", "completed {'n':0}", NULL},
};

static const struct flow_case flow_fork_cases[] = {
    {"every branch gets the input; outputs in declared order",
     "do: [f: {fork: {branches: [" GET("a", "http://a/") ", " GET(
         "b", "http://b/") ", c: {set: '${ .n }'}]}}]",
     "{'n':1}", "run /do/0/f/fork/branches/1/b 'B'\nrun /do/0/f/fork/branches/0/a 'A'",
     "completed ['A','B',1]",
     "started /do/0/f *\nstarted /do/0/f/fork/branches/0/a {'n':1}\nended /do/0/f ['A','B',1]"},
    {"a fault cancels the siblings",
     "do: [f: {fork: {branches: [" GET("a", "http://a/") ", b: {do: [" GET("x",
                                                                           "http://b/") "]}]}}]",
     "{}", "run /do/0/f/fork/branches/0/a " DOWN,
     "faulted communication 503 /do/0/f/fork/branches/0/a",
     "drop run /do/0/f/fork/branches/1/b/do/0/x\nended /do/0/f/fork/branches/1/b/do/0/x dropped\n"
     "ended /do/0/f/fork/branches/1/b dropped\nended /do/0/f !*"},
    {"compete: the first success wins, the losers are dropped",
     "do: [f: {fork: {compete: true, branches: [" GET("a", "http://a/") ", " GET(
         "b", "http://b/") "]}}]",
     "{}", "run /do/0/f/fork/branches/1/b 'B'", "completed 'B'",
     "drop run /do/0/f/fork/branches/0/a"},
    {"compete: a failure is not a win",
     "do: [f: {fork: {compete: true, branches: [" GET("a", "http://a/") ", " GET(
         "b", "http://b/") "]}}]",
     "{}", "run /do/0/f/fork/branches/1/b " DOWN "\nrun /do/0/f/fork/branches/0/a 'A'",
     "completed 'A'", NULL},
    {"compete: all fail, the first error",
     "do: [f: {fork: {compete: true, branches: [" GET("a", "http://a/") ", b: " RAISE("418") "]}}]",
     "{}", "run /do/0/f/fork/branches/0/a " DOWN,
     "faulted https://example.com/e 418 /do/0/f/fork/branches/1/b", NULL},
    {"compete: a local branch wins before others get their turn",
     "do: [f: {fork: {compete: true, branches: [s: {set: {x: 1}}, w: {wait: PT1S}]}}]", "{}", "",
     "completed {'x':1}", "-sleep"},
    {"a skipped branch yields its input",
     "do: [f: {fork: {branches: [a: {if: 'false', set: {x: 1}}]}}]", "{'n':1}", "",
     "completed [{'n':1}]", NULL},
    {"end in a branch cancels the others and the workflow ends",
     "do: [f: {fork: {branches: [" GET(
         "a", "http://a/") ", b: {do: [w: {wait: PT1S, then: end}]}]}}, z: {set: {x: 1}}]",
     "{'n':1}", "sleep /do/0/f/fork/branches/1/b/do/0/w", "completed [null,{'n':1}]",
     "drop run /do/0/f/fork/branches/0/a\n-/do/1/z"},
    {"branches share the context",
     "do: [f: {fork: {branches: [a: {set: {x: 1}, export: {as: '$context + { a: 1 }'}}, b: {set: "
     "{x: 2}, export: {as: '$context + { b: 2 }'}}]}}, c: {set: '${ $context }'}]",
     "{}", "", "completed {'a':1,'b':2}", NULL},
    {"forEach",
     "do: [f: {metadata: {forEach: {each: a, at: i, in: '${ .l }'}}, fork: {branches: [x: {set: "
     "{a: '${ $a }', i: '${ $i }', n: '${ .n }'}}]}}]",
     "{'l':[5,6],'n':1}", "", "completed [{'a':5,'i':0,'n':1},{'a':6,'i':1,'n':1}]",
     "task /do/0/f/fork/branches/0/x#0 *\ntask /do/0/f/fork/branches/0/x#1 *"},
    {"forEach of nothing",
     "do: [f: {metadata: {forEach: {in: .l}}, fork: {branches: [x: {set: {a: 1}}]}}]", "{'l':[]}",
     "", "completed []", NULL},
    {"forEach of no array",
     "do: [f: {metadata: {forEach: {in: .l}}, fork: {branches: [x: {set: {a: 1}}]}}]", "{'l':3}",
     "", "faulted expression 400 /do/0/f", NULL},
    {"forEach: at most so many at once, in order",
     "do: [f: {metadata: {forEach: {in: .l, concurrency: 2}}, fork: {branches: [x: {wait: PT1S, "
     "output: {as: '$item'}}]}}]",
     "{'l':[1,2,3]}",
     "sleep /do/0/f/fork/branches/0/x#1\nsleep /do/0/f/fork/branches/0/x#0\nsleep "
     "/do/0/f/fork/branches/0/x#2",
     "completed [1,2,3]",
     "sleep /do/0/f/fork/branches/0/x#0 *\nsleep /do/0/f/fork/branches/0/x#1 *\nended "
     "/do/0/f/fork/branches/0/x#1 2\nsleep /do/0/f/fork/branches/0/x#2 *"},
    {"forEach: onError fail",
     "do: [f: {metadata: {forEach: {in: .l, concurrency: 1}}, fork: {branches: [x: {if: '$item == "
     "2', raise: {error: {type: 'https://example.com/e', status: 400}}}]}}]",
     "{'l':[1,2,3]}", "", "faulted https://example.com/e 400 /do/0/f/fork/branches/0/x", "-x#2"},
    {"forEach: onError collect",
     "do: [f: {metadata: {forEach: {in: .l, concurrency: 1, onError: collect}}, fork: {branches: "
     "[x: {do: [r: {if: '$item == 2', raise: {error: {type: 'https://example.com/e', status: "
     "400}}}, s: {set: '${ $item }'}]}]}}]",
     "{'l':[1,2,3]}", "",
     "completed "
     "[1,{'instance':'/do/0/f/fork/branches/0/x/do/0/r','status':400,'type':'https://example.com/"
     "e'},3]",
     NULL},
    {"forEach inside a for: both are in the key",
     "do: [o: {for: {in: .l}, do: [f: {metadata: {forEach: {each: e, in: '[7]'}}, fork: {branches: "
     "[x: {set: '${ $e }'}]}}, r: {set: {l: '${ . }'}}]}]",
     "{'l':[1,2]}", "", "completed {'l':[7]}", "task /do/0/o/do/0/f/fork/branches/0/x#1.0 *"},
};

static const struct flow_case flow_error_cases[] = {
    {"catch without more swallows", "do: [t: {try: [r: " RAISE("500") "], catch: {}}]", "{'n':1}",
     "", "completed {'n':1}",
     "started /do/0/t *\ntask /do/0/t/try/0/r {'n':1} !*\nended /do/0/t {'n':1}"},
    {"no error, no catch", "do: [t: {try: [a: {set: {x: 1}}], catch: {do: [b: {set: {x: 2}}]}}]",
     "{}", "", "completed {'x':1}", NULL},
    {"catch.do's output is the task's",
     "do: [t: {try: [r: " RAISE(
         "500") "], catch: {do: [b: {set: {s: '${ $error.status }', n: '${ .n }'}}]}}]",
     "{'n':1}", "", "completed {'n':1,'s':500}", "task /do/0/t/catch/do/0/b *"},
    {"catch.as",
     "do: [t: {try: [r: " RAISE("500") "], catch: {as: e, do: [b: {set: '${ $e.instance }'}]}}]",
     "{}", "", "completed '/do/0/t/try/0/r'", NULL},
    {"filter by status",
     "do: [t: {try: [r: " RAISE("500") "], catch: {errors: {with: {status: 503}}}}]", "{}", "",
     "faulted https://example.com/e 500 /do/0/t/try/0/r", "ended /do/0/t !*"},
    {"filter by type, whatever its prefix",
     "do: [t: {try: [a: {set: '${ .x.y.z + {} | error }'}], catch: {errors: {with: {type: "
     "'https://serverlessworkflow.io/dsl/errors/types/expression'}}}}]",
     "{}", "", "completed {}", NULL},
    {"filter by title, detail and instance",
     "do: [t: {try: [r: " RAISE(
         "500") "], catch: {errors: {with: {title: T, details: D, instance: /do/0/t/try/0/r}}}}]",
     "{}", "", "completed {}", NULL},
    {"filter by a detail that differs",
     "do: [t: {try: [r: " RAISE("500") "], catch: {errors: {with: {detail: X}}}}]", "{}", "",
     "faulted https://example.com/e 500 /do/0/t/try/0/r", NULL},
    {"when", "do: [t: {try: [r: " RAISE("500") "], catch: {when: '$error.status == 501'}}]", "{}",
     "", "faulted https://example.com/e 500 /do/0/t/try/0/r", NULL},
    {"exceptWhen",
     "do: [t: {try: [r: " RAISE("500") "], catch: {exceptWhen: '${ $error.status == 500 }'}}]",
     "{}", "", "faulted https://example.com/e 500 /do/0/t/try/0/r", NULL},
    {"when that is wrong itself", "do: [t: {try: [r: " RAISE("500") "], catch: {when: '1 + {}'}}]",
     "{}", "", "faulted expression 400 /do/0/t", NULL},
    {"errors of catch.do propagate",
     "do: [t: {try: [r: " RAISE("500") "], catch: {do: [q: " RAISE("501") "]}}]", "{}", "",
     "faulted https://example.com/e 501 /do/0/t/catch/do/0/q", NULL},
    {"an outer catch takes what the inner one lets pass",
     "do: [o: {try: [t: {try: [r: " RAISE("500") "], catch: {errors: {with: {status: 1}}}}], "
                                                 "catch: {do: [s: {set: '${ $error.status }'}]}}]",
     "{}", "", "completed 500", NULL},
    {"catch.then",
     "do: [t: {try: [r: " RAISE("500") "], catch: {then: z}}, a: {set: {x: 1}}, z: {set: {x: 2}}]",
     "{}", "", "completed {'x':2}", "-/do/1/a"},
    {"catch.then holds for the caught path only",
     "do: [t: {try: [r: {set: {x: 0}}], catch: {then: end}}, a: {set: {y: '${ .x }'}}]", "{}", "",
     "completed {'y':0}", NULL},
    {"end in a try block ends the workflow",
     "do: [t: {try: [a: {set: {x: 1}, then: end}], catch: {}}, b: {set: {x: 2}}]", "{}", "",
     "completed {'x':1}", NULL},
    {"retry starts again from the try's input",
     "do: [t: {try: [a: {set: {n: '${ .n + 1 }'}}, " GET(
         "c", "http://a/{n}") "], catch: {retry: {delay: PT1S, limit: {attempt: {count: 2}}}}}]",
     "{'n':1}", "run /do/0/t/try/1/c " DOWN "\nsleep /do/0/t\nrun /do/0/t/try/1/c#1 {'ok':1}",
     "completed {'ok':1}",
     "run /do/0/t/try/1/c {'kind':'http','method':'get','uri':'http://a/2'} once\nsleep /do/0/t "
     "1000\n"
     "run /do/0/t/try/1/c#1 {'kind':'http','method':'get','uri':'http://a/2'} once"},
    {"count is the number of retries",
     "do: [t: {try: [r: " RAISE("500") "], catch: {retry: {limit: {attempt: {count: 2}}}}}]", "{}",
     "sleep /do/0/t\nsleep /do/0/t", "faulted https://example.com/e 500 /do/0/t/try/0/r",
     "sleep /do/0/t 100\ntask /do/0/t/try/0/r#1 *\nsleep /do/0/t 100\ntask /do/0/t/try/0/r#2 "
     "*\nended /do/0/t !*"},
    {"count 0 never retries",
     "do: [t: {try: [r: " RAISE("500") "], catch: {retry: {limit: {attempt: {count: 0}}}}}]", "{}",
     "", "faulted https://example.com/e 500 /do/0/t/try/0/r", "-sleep"},
    {"do comes when the retries are spent",
     "do: [t: {try: [r: " RAISE("500") "], catch: {retry: {delay: PT1S, limit: {attempt: {count: "
                                       "1}}}, do: [f: {set: {fallback: true}}]}}]",
     "{}", "sleep /do/0/t", "completed {'fallback':true}", "task /do/0/t/catch/do/0/f *"},
    {"constant backoff",
     "do: [t: {try: [r: " RAISE("500") "], catch: {retry: {delay: PT1S, backoff: {constant: {}}, "
                                       "limit: {attempt: {count: 3}}}}}]",
     "{}", "sleep /do/0/t\nsleep /do/0/t\nsleep /do/0/t",
     "faulted https://example.com/e 500 /do/0/t/try/0/r",
     "sleep /do/0/t 1000\nsleep /do/0/t 1000\nsleep /do/0/t 1000"},
    {"linear backoff",
     "do: [t: {try: [r: " RAISE("500") "], catch: {retry: {delay: PT1S, backoff: {linear: {}}, "
                                       "limit: {attempt: {count: 3}}}}}]",
     "{}", "sleep /do/0/t\nsleep /do/0/t\nsleep /do/0/t",
     "faulted https://example.com/e 500 /do/0/t/try/0/r",
     "sleep /do/0/t 1000\nsleep /do/0/t 2000\nsleep /do/0/t 3000"},
    {"exponential backoff, by name",
     "use: {retries: {g: {delay: PT1S, backoff: {exponential: {}}, limit: {attempt: {count: "
     "4}}}}}\n"
     "do: [t: {try: [r: " RAISE("500") "], catch: {retry: g}}]",
     "{}", "sleep /do/0/t\nsleep /do/0/t\nsleep /do/0/t\nsleep /do/0/t",
     "faulted https://example.com/e 500 /do/0/t/try/0/r",
     "sleep /do/0/t 1000\nsleep /do/0/t 2000\nsleep /do/0/t 4000\nsleep /do/0/t 8000"},
    {"jitter",
     "do: [t: {try: [r: " RAISE("500") "], catch: {retry: {delay: PT1S, jitter: {from: PT2S, to: "
                                       "PT2S}, limit: {attempt: {count: 1}}}}}]",
     "{}", "", NULL, "sleep /do/0/t 3000"},
    {"delay by an expression",
     "do: [t: {try: [r: " RAISE(
         "500") "], catch: {retry: {delay: '${ .d }', limit: {attempt: {count: 1}}}}}]",
     "{'d':'PT7S'}", "", NULL, "sleep /do/0/t 7000"},
    {"retry.when",
     "do: [t: {try: [r: " RAISE("500") "], catch: {retry: {when: '$error.status == 503', delay: "
                                       "PT1S, limit: {attempt: {count: 3}}}}}]",
     "{}", "", "faulted https://example.com/e 500 /do/0/t/try/0/r", "-sleep"},
    {"retry.exceptWhen",
     "do: [t: {try: [r: " RAISE(
         "500") "], catch: {retry: {exceptWhen: '$error.status == 500', delay: PT1S, limit: "
                "{attempt: {count: 3}}}, do: [s: {set: {f: 1}}]}}]",
     "{}", "", "completed {'f':1}", "-sleep"},
    {"no attempt starts beyond limit.duration",
     "do: [t: {try: [r: " RAISE(
         "500") "], catch: {retry: {delay: PT4S, limit: {duration: PT10S}}}}]",
     "{}", "sleep /do/0/t\nsleep /do/0/t", "faulted https://example.com/e 500 /do/0/t/try/0/r",
     "task /do/0/t/try/0/r#2 *"},
    {"limit.attempt.duration is the timeout of one attempt",
     "do: [t: {try: [w: {wait: PT1M}], catch: {errors: {with: {status: 408}}, retry: {delay: PT1S, "
     "limit: {attempt: {count: 1, duration: PT5S}}}}}]",
     "{}", "sleep /do/0/t\nsleep /do/0/t\nsleep /do/0/t", "faulted timeout 408 /do/0/t",
     "sleep /do/0/t 5000\nsleep /do/0/t/try/0/w 60000\ndrop sleep /do/0/t/try/0/w\nended "
     "/do/0/t/try/0/w dropped\nsleep /do/0/t 1000\n"
     "sleep /do/0/t 5000\nsleep /do/0/t/try/0/w#1 60000"},
    {"an attempt that ends in time drops its timer",
     "do: [t: {try: [w: {wait: PT1S}], catch: {retry: {limit: {attempt: {count: 1, duration: "
     "PT5S}}}}}]",
     "{}", "sleep /do/0/t/try/0/w", "completed {}", "drop sleep /do/0/t"},
    {"a call outside of a retry is not once",
     "do: [t: {try: [" GET("c", "http://a/") "], catch: {}}]", "{}", "", NULL,
     "run /do/0/t/try/0/c {'kind':'http','method':'get','uri':'http://a/'}"},
    {"a call in catch.do is not once",
     "do: [t: {try: [r: " RAISE(
         "500") "], catch: {retry: {limit: {attempt: {count: 0}}}, do: [" GET("c",
                                                                              "http://a/") "]}}]",
     "{}", "", NULL, "run /do/0/t/catch/do/0/c {'kind':'http','method':'get','uri':'http://a/'}"},
    {"a call in a function in a retry is once",
     "use: {functions: {f: {call: http, with: {method: get, endpoint: 'http://a/'}}}}\n"
     "do: [t: {try: [c: {call: f}], catch: {retry: {limit: {attempt: {count: 1}}}}}]",
     "{}", "", NULL, "run /do/0/t/try/0/c/f {'kind':'http','method':'get','uri':'http://a/'} once"},
    {"keys of nested retries differ",
     "do: [o: {try: [t: {try: [f: {for: {in: '[1]'}, do: [r: " RAISE(
         "500") "]}], catch: {retry: {delay: PT1S, limit: {attempt: {count: 1}}}}}],"
                " catch: {retry: {delay: PT2S, limit: {attempt: {count: 1}}}}}]",
     "{}", "sleep /do/0/o/try/0/t\nsleep /do/0/o\nsleep /do/0/o/try/0/t#1",
     "faulted https://example.com/e 500 /do/0/o/try/0/t/try/0/f/do/0/r", NULL},
    {"timeout of a call",
     "do: [c: {call: http, with: {method: get, endpoint: 'http://a/'}, timeout: {after: {seconds: "
     "30}}}]",
     "{}", "sleep /do/0/c", "faulted timeout 408 /do/0/c",
     "sleep /do/0/c 30000\nrun /do/0/c *\ndrop run /do/0/c\nended /do/0/c !*"},
    {"a task that ends in time drops its timer",
     "do: [c: {call: http, with: {method: get, endpoint: 'http://a/'}, timeout: {after: PT30S}}]",
     "{}", "run /do/0/c 1", "completed 1", "drop sleep /do/0/c\nended /do/0/c 1"},
    {"timeouts by name", "use: {timeouts: {t: {after: PT9S}}}\ndo: [w: {wait: PT1H, timeout: t}]",
     "{}", "", NULL, "sleep /do/0/w 9000"},
    {"timeout by an expression", "do: [w: {wait: PT1H, timeout: {after: '${ .d }'}}]",
     "{'d':'PT9S'}", "", NULL, "sleep /do/0/w 9000"},
    {"a timeout covers everything inside",
     "do: [o: {do: [p: {do: [w: {wait: PT1H}]}], timeout: {after: PT1S}}]", "{}", "sleep /do/0/o",
     "faulted timeout 408 /do/0/o",
     "drop sleep /do/0/o/do/0/p/do/0/w\nended /do/0/o/do/0/p/do/0/w dropped\nended /do/0/o/do/0/p "
     "dropped\nended /do/0/o !*"},
    {"a try does not catch its own timeout",
     "do: [t: {try: [w: {wait: PT1H}], catch: {}, timeout: {after: PT1S}}]", "{}", "sleep /do/0/t",
     "faulted timeout 408 /do/0/t", NULL},
    {"a timeout inside is caught",
     "do: [t: {try: [w: {wait: PT1H, timeout: {after: PT1S}}], catch: {errors: {with: {type: "
     "'https://serverlessworkflow.io/spec/1.0.0/errors/timeout'}}}}]",
     "{'n':1}", "sleep /do/0/t/try/0/w", "completed {'n':1}", NULL},
    {"the workflow's timeout cannot be caught",
     "timeout: {after: PT5S}\ndo: [t: {try: [w: {wait: PT1H}], catch: {}}]", "{}", "sleep ",
     "faulted timeout 408 ", "sleep  5000"},
    {"cancel drops what is outstanding",
     "do: [f: {fork: {branches: [" GET("a", "http://a/") ", w: {wait: PT1S}]}}]", "{}", "cancel",
     "cancelled", "drop run /do/0/f/fork/branches/0/a\ndrop sleep /do/0/f/fork/branches/1/w"},
};

#endif
