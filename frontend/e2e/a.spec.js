import {test,expect} from '@playwright/test'; import {spawn} from 'node:child_process'; import fs from 'node:fs'; import os from 'node:os'
let child, base
test.beforeAll(async()=>{ const dir=fs.mkdtempSync(os.tmpdir()+'/e2e-'); child=spawn(process.env.PILOTDECK_PROGRAM,['serve','--bind','127.0.0.1','--port','0','--db',dir+'/pm.db']);
 base=await new Promise(r=>{const f=d=>{const m=/listening on (http:\/\/[0-9.:]+)/.exec(String(d)); if(m)r(m[1])}; child.stderr.on('data',f); child.stdout.on('data',f)})})
test.afterAll(()=>{child.kill()})
for (const p of ['/','/projects/a%2Fb']) test('page '+p, async({page})=>{ const bad=[]; page.on('console',m=>bad.push(m.text())); page.on('response',r=>{ if(!r.ok()) bad.push(r.url()+r.status())})
 await page.goto(base+p); await expect(page.locator('#app')).toHaveText('ready '+p); await expect(page.locator('body')).toHaveCSS('color','rgb(0, 128, 0)'); expect(bad.filter(b=>!b.includes('favicon'))).toEqual([])
 const h=(await page.request.get(base+'/assets/main-abc123.js')).headers(); expect(h['content-encoding']).toBe('br') })
test.skip('later',()=>{})
