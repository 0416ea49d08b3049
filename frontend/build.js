import fs from 'node:fs'; import z from 'node:zlib'
fs.rmSync('dist',{recursive:true,force:true}); fs.mkdirSync('dist/assets',{recursive:true})
const put=(n,t)=>{fs.writeFileSync('dist/'+n,t);fs.writeFileSync('dist/'+n+'.br',z.brotliCompressSync(t));fs.writeFileSync('dist/'+n+'.gz',z.gzipSync(t))}
put('assets/main-abc123.js','document.getElementById("app").textContent="ready "+location.pathname')
put('assets/main-abc123.css','body{color:green}')
put('index.html','<!doctype html><html><head><meta charset="utf-8"><title>Deck</title><link rel="stylesheet" href="/assets/main-abc123.css"></head><body><div id="app"></div><script type="module" src="/assets/main-abc123.js"></script></body></html>')
